import { EXIT } from '../../cli-error.ts';
import { containerServices } from '../../runtimes/docker/container-services.ts';
import type { Engine } from '../../runtimes/docker/engine.ts';
import { fetchImages } from '../../runtimes/docker/fetch-images.ts';
import { ARCHITECTURE } from '../../runtimes/docker/images.ts';
import { type Check, failed, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

export const images: Check = {
  id: 'images',
  category: 'docker',
  severity: 'critical',
  title: 'images of the containers: there, and for this machine',
  exitCode: EXIT.imageNotFound,
  needs: 'docker',
  async detect(facts) {
    const engine = (await facts.engine())!;
    const wanted = new Set(containerServices(facts.plan).map(({ image }) => image));
    const missing: string[] = [];
    for (const image of wanted) {
      const found = await engine.docker
        .getImage(image)
        .inspect()
        .catch(() => null);
      if (!found) missing.push(image);
      else if (found.Architecture && found.Architecture !== ARCHITECTURE)
        return failed(
          `${image} is for ${found.Architecture}, this machine is ${ARCHITECTURE}: it runs slowly under emulation, or not at all ("exec format error").`,
          `Get the right one: docker pull --platform linux/${ARCHITECTURE} ${image}`,
        );
    }
    if (missing.length === 0) return ok(`${wanted.size} images are there, for ${ARCHITECTURE}`);
    return failed(
      `${missing.length} of ${wanted.size} images are missing: ${missing.join(', ')}.`,
      'batchsender up pulls them; name others with --image, or a mirror with --image-prefix.',
      { repair: { title: `fetch ${missing.length} images`, run: () => fetchAll(facts, engine) } },
    );
  },
};

async function fetchAll(facts: DoctorFacts, engine: Engine): Promise<void> {
  const quiet = { pulling: () => {}, built: () => {} };
  await fetchImages(engine.docker, facts.plan, quiet, new AbortController().signal);
}
