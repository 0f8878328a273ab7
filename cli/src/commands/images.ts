import type { Output } from '../output/output.ts';
import { fetchImages } from '../runtimes/docker/fetch-images.ts';
import type { PullProgress } from '../runtimes/docker/images.ts';
import type { Runtimes } from '../runtimes/runtimes.ts';
import type { StackPlan } from '../stack/plan.ts';

const MIB = 1024 * 1024;
const JSON_EVERY_MS = 1000;

/** Gets every image before the first container is made, and tells how far it is. */
export async function prepareImages(
  plan: StackPlan,
  runtimes: Runtimes,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  if (!runtimes.docker) return;
  const display = new PullDisplay(output);
  await fetchImages(
    runtimes.docker.engine.docker,
    plan,
    {
      pulling: (progress) => display.show(progress),
      built: (image) => output.event({ type: 'built', image }, `✔ ${image} built`),
    },
    signal,
  );
}

/** One line that is redrawn on a terminal; elsewhere a line for each image that has arrived. */
class PullDisplay {
  private readonly images = new Map<string, PullProgress>();
  private readonly output: Output;
  private toldAt = 0;

  constructor(output: Output) {
    this.output = output;
  }

  show(progress: PullProgress): void {
    this.images.set(progress.image, progress);
    if (progress.done) {
      this.output.event(
        { type: 'pulled', ...progress },
        `✔ ${progress.image} pulled (${Math.round(progress.totalBytes / MIB)} MiB)`,
      );
      return;
    }
    if (performance.now() - this.toldAt < JSON_EVERY_MS) return;
    this.toldAt = performance.now();
    if (this.output.json) this.output.event({ type: 'pulling', ...progress }, null);
    else this.output.live(this.line());
  }

  private line(): string {
    const open = [...this.images.values()].filter(({ done }) => !done);
    return `pulling ${open
      .map(({ image, currentBytes, totalBytes, etaSeconds }) => {
        const name = image.split('/').at(-1)!.split(':')[0];
        return `${name} ${Math.round(currentBytes / MIB)}/${Math.round(totalBytes / MIB)} MiB${etaSeconds === null ? '' : ` ${etaSeconds} s`}`;
      })
      .join(', ')}`;
  }
}
