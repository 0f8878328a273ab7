import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT } from '../../cli-error.ts';
import type { Engine } from '../../runtimes/docker/engine.ts';
import { reclaimable, removeImages } from '../../runtimes/docker/space.ts';
import { type Check, type Finding, failed, ok } from '../check.ts';

const MIB = 1024 * 1024;
/** Below this nothing is started. */
const NEEDED_MIB = 500;
/** PostgreSQL stops when it cannot write; an alert warns at the same share. */
const LOW_SHARE = 0.05;
/** With this much the share does not matter. */
const COMFORTABLE_MIB = 4 * 1024;

export const disk: Check = {
  id: 'disk',
  category: 'host',
  severity: 'critical',
  title: 'space where the data is: on this machine, and in the engine',
  exitCode: EXIT.diskFull,
  preflight: true,
  errorId: 'disk_full',
  async detect(facts) {
    const places = [facts.stack.dir];
    if (facts.usesDocker) {
      const { DockerRootDir } = (await facts.engineInfo()) ?? {};
      // In a virtual machine the folder is not ours to look at.
      if (DockerRootDir && existsSync(DockerRootDir)) places.push(DockerRootDir);
    }
    const said: string[] = [];
    for (const place of places) {
      const { bavail, blocks, bsize } = statfsSync(existing(place));
      const freeMib = Math.floor((bavail * bsize) / MIB);
      const low = freeMib < NEEDED_MIB || (bavail / blocks < LOW_SHARE && freeMib < COMFORTABLE_MIB);
      if (low && place !== facts.stack.dir) return engineIsFull((await facts.engine())!, place, freeMib);
      if (freeMib < NEEDED_MIB)
        return failed(
          `Only ${freeMib} MiB are free where ${place} is; ${NEEDED_MIB} are needed.`,
          'Free some space, or put the state elsewhere with BATCHSENDER_STATE_DIR.',
        );
      if (low)
        return failed(
          `Only ${Math.round((100 * bavail) / blocks)} % (${freeMib} MiB) are free where ${place} is.`,
          'Free some space before it runs full; see docs/runbooks/disk-almost-full.md.',
        );
      said.push(`${(freeMib / 1024).toFixed(1)} GiB free at ${place}`);
    }
    return ok(said.join(', '));
  },
};

/** What could go there, and what --fix would take: images that we built and no tag names any more. */
async function engineIsFull(engine: Engine, place: string, freeMib: number): Promise<Finding> {
  const { unusedMib, ours } = await reclaimable(engine.docker);
  return failed(
    `Only ${freeMib} MiB are free where the engine keeps its data (${place}).`,
    `docker system prune would free about ${unusedMib} MiB of unused images, containers and build cache, of all projects.`,
    {
      repair: ours.length
        ? {
            title: `remove ${ours.length} images that former builds of batchsender left`,
            run: () => removeImages(engine.docker, ours),
          }
        : undefined,
    },
  );
}

function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}
