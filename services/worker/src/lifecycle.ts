import type { Logger } from 'pino';

/** What runs in the background. `stop` is safe before start and safe twice. */
export interface Agent {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** All agents together must be gone within this after SIGTERM; a supervisor kills at about 10 s. */
const STOP_BUDGET_MS = 9_000;

/** Starts agents in order and stops them in reverse. */
export class Lifecycle {
  private readonly started: Agent[] = [];
  private stopping: Promise<void> | null = null;
  private readonly log: Logger;

  constructor(log: Logger) {
    this.log = log;
  }

  async start(agents: Agent[]): Promise<void> {
    for (const agent of agents) {
      await agent.start();
      this.started.push(agent);
    }
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    const deadline = Date.now() + STOP_BUDGET_MS;
    for (const agent of this.started.reverse()) {
      const left = Math.max(0, deadline - Date.now());
      const outcome = await Promise.race([agent.stop().then(() => 'stopped'), timeout(left)]).catch(
        (error: unknown) => error,
      );
      if (outcome !== 'stopped')
        this.log.error({ agent: agent.name, err: outcome }, 'agent did not stop cleanly');
    }
  }
}

function timeout(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve('out of time'), ms).unref());
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
