import { EXIT } from '../../cli-error.ts';
import { serviceFor } from '../../runtimes/docker/services.ts';
import { placeOf } from '../../stack/plan.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Node's names of processor architectures, as images name them. */
const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm' };

export const images: Check = {
  id: 'images',
  category: 'docker',
  severity: 'critical',
  title: 'images of the containers: there, and for this machine',
  exitCode: EXIT.imageNotFound,
  async detect(facts) {
    if (!facts.usesDocker) return skipped('the stack runs without Docker');
    const engine = await facts.engine();
    if (!engine) return skipped('no engine');
    const { plan } = facts;
    const wanted = plan.running
      .filter((component) => placeOf(component, plan.selection) === 'docker')
      .map((component) => serviceFor(component, plan.context(component)).image);
    const missing: string[] = [];
    for (const image of new Set(wanted)) {
      const found = await engine.docker
        .getImage(image)
        .inspect()
        .catch(() => null);
      if (!found) missing.push(image);
      else if (found.Architecture && found.Architecture !== ARCHITECTURES[process.arch])
        return failed(
          `${image} is for ${found.Architecture}, this machine is ${ARCHITECTURES[process.arch]}: it runs slowly under emulation, or not at all ("exec format error").`,
          `Get the right one: docker pull --platform linux/${ARCHITECTURES[process.arch]} ${image}`,
        );
    }
    if (missing.length === 0)
      return ok(`${new Set(wanted).size} images are there, for ${ARCHITECTURES[process.arch]}`);
    return failed(
      `${missing.length} of ${new Set(wanted).size} images are missing: ${missing.join(', ')}.`,
      'batchsender up pulls them; name others with --image, or a mirror with --image-prefix.',
    );
  },
};
