import type { Logger } from 'pino';
import type { ProviderEvent } from '../domain/provider-event.ts';
import { type Agent, sleep } from '../lifecycle.ts';

/** Where provider events are put down before they are acknowledged to the provider. */
export interface EventIntake {
  put(event: ProviderEvent): Promise<void>;
}

export interface TakenEvent {
  event: ProviderEvent;
  receivedAt: Date;
  /** Applied, or given up. */
  done(): Promise<void>;
  /** Too early: again later. */
  later(): Promise<void>;
}

/** Where the tracker takes them from; at least once. */
export interface EventQueue {
  take(limit: number, signal: AbortSignal): Promise<TakenEvent[]>;
}

export interface EventStore {
  /** Applies events, each message once; returns those whose message has no outcome yet. */
  apply(events: ProviderEvent[]): Promise<ProviderEvent[]>;
}

const EVENTS_PER_ROUND = 500;
const IDLE_MS = 250;
const RETRY_MS = 2000;
/** An event whose message never gets an outcome is given up after this. */
const GIVE_UP_MS = 24 * 3_600_000;

/** Applies provider events to messages; what came before its outcome is kept and tried again. */
export class EventTracker implements Agent {
  readonly name = 'event-tracker';
  private readonly queue: EventQueue;
  private readonly store: EventStore;
  private readonly log: Logger;
  private readonly stopping = new AbortController();
  private loop: Promise<void> | null = null;

  constructor(queue: EventQueue, store: EventStore, log: Logger) {
    this.queue = queue;
    this.store = store;
    this.log = log;
  }

  async start(): Promise<void> {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        if ((await this.round(signal)) === 0) await sleep(IDLE_MS, signal);
      } catch (error) {
        this.log.warn({ err: error }, 'provider events could not be applied; they are kept');
        await sleep(RETRY_MS, signal);
      }
    }
  }

  private async round(signal: AbortSignal): Promise<number> {
    const taken = await this.queue.take(EVENTS_PER_ROUND, signal);
    if (taken.length === 0) return 0;
    const early = new Set(await this.store.apply(taken.map((one) => one.event)));
    for (const one of taken) {
      const tooOld = Date.now() - one.receivedAt.getTime() > GIVE_UP_MS;
      if (early.has(one.event) && !tooOld) await one.later();
      else await one.done();
    }
    return taken.length;
  }
}
