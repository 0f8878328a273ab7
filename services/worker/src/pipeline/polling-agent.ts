import type { Logger } from 'pino';
import { type Agent, sleep } from '../lifecycle.ts';

const RETRY_MS = 2000;

/** An agent that does round after round until it is stopped; a failed round is logged and done again. */
export abstract class PollingAgent implements Agent {
  abstract readonly name: string;
  /** What a failed round means, for the log. */
  protected abstract readonly failure: string;
  protected readonly log: Logger;
  protected readonly stopping = new AbortController();
  private loop: Promise<void> | null = null;

  constructor(log: Logger) {
    this.log = log;
  }

  async start(): Promise<void> {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  /** Does a bounded amount of work; returns how long to rest before the next round, milliseconds. */
  protected abstract round(signal: AbortSignal): Promise<number>;

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const restMs = await this.round(signal);
        if (restMs > 0) await sleep(restMs, signal);
      } catch (error) {
        this.log.warn({ err: error }, this.failure);
        await sleep(RETRY_MS, signal);
      }
    }
  }
}
