import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

const MIB = 1024 * 1024;
/** Below this nothing is started. */
const NEEDED_MIB = 500;
/** PostgreSQL stops when it cannot write; an alert warns at the same share. */
const LOW_SHARE = 0.05;

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
      if (freeMib < NEEDED_MIB)
        return failed(
          `Only ${freeMib} MiB are free where ${place} is; ${NEEDED_MIB} are needed.`,
          'Free some space, or put the state elsewhere with BATCHSENDER_STATE_DIR.',
        );
      if (bavail / blocks < LOW_SHARE && freeMib < 4 * 1024)
        return failed(
          `Only ${Math.round((100 * bavail) / blocks)} % (${freeMib} MiB) are free where ${place} is.`,
          'Free some space before it runs full; see docs/runbooks/disk-almost-full.md.',
        );
      said.push(`${(freeMib / 1024).toFixed(1)} GiB free at ${place}`);
    }
    return ok(said.join(', '));
  },
};

function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}
