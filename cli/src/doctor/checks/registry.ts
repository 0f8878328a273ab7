import { EXIT } from '../../cli-error.ts';
import { imagesOf } from '../../runtimes/docker/fetch-images.ts';
import { whyNotPullable } from '../../runtimes/docker/registry.ts';
import { type Check, failed, ok } from '../check.ts';

/** Known before the day on which they have to be pulled: a new machine, a pruned one, an update. */
export const registry: Check = {
  id: 'registry',
  category: 'docker',
  severity: 'warning',
  title: 'whether the registry has the images, lets us have them, and is reached (asks it)',
  exitCode: EXIT.imageUnreachable,
  deep: true,
  needs: 'docker',
  async detect(facts) {
    const engine = (await facts.engine())!;
    const images = [...new Set(imagesOf(facts.plan).pulled.map(({ image }) => image))];
    const answers = await Promise.all(images.map((image) => whyNotPullable(engine, image)));
    const refused = answers.filter((answer) => answer !== null);
    const { HttpProxy } = (await facts.engineInfo()) ?? {};
    const through = HttpProxy ? ` (the engine goes through ${withoutPassword(HttpProxy)})` : '';
    const first = refused[0];
    if (!first) return ok(`${images.length} images could be pulled${through}`);
    return failed(
      refused.length === 1
        ? `${first.message}${through}`
        : `${refused.length} of ${images.length} images could not be pulled${through}. ${first.message}`,
      first.fix!,
      { evidence: refused.flatMap(({ evidence }, i) => [`${refused[i]!.id}: ${evidence.join(' ')}`]) },
    );
  },
};

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
