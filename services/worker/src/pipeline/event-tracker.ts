import type { Logger } from 'pino';
import type { ProviderEvent } from '../domain/provider-event.ts';
import type { EventMetrics } from './metrics.ts';
import { PollingAgent } from './polling-agent.ts';

/** Where provider events are put down before they are acknowledged to the provider. */
export interface EventIntake {
  put(events: ProviderEvent[]): Promise<void>;
}

/** Events as they were taken; `handle` is the queue's own. */
export interface TakenEvent<Handle = unknown> {
  event: ProviderEvent;
  receivedAt: Date;
  handle: Handle;
}

/** Where the tracker takes them from; at least once. */
export interface EventQueue<Handle = unknown> {
  take(limit: number, signal: AbortSignal): Promise<TakenEvent<Handle>[]>;
  /** Gives a round back: those that were applied or given up, and those that came too early. */
  settle(done: TakenEvent<Handle>[], later: TakenEvent<Handle>[]): Promise<void>;
}

export interface EventStore {
  /** Applies events, each message once; `early` are those whose message has no outcome yet. */
  apply(events: ProviderEvent[]): Promise<{ early: ProviderEvent[]; unmatched: number }>;
}

const EVENTS_PER_ROUND = 500;
const IDLE_MS = 250;
/** An event whose message never gets an outcome is given up after this. */
const GIVE_UP_MS = 24 * 3_600_000;

/** Applies provider events to messages; what came before its outcome is kept and tried again. */
export class EventTracker extends PollingAgent {
  readonly name = 'event-tracker';
  protected readonly failure = 'provider events could not be applied; they are kept';
  private readonly queue: EventQueue;
  private readonly store: EventStore;

  private readonly metrics: EventMetrics;

  constructor(queue: EventQueue, store: EventStore, metrics: EventMetrics, log: Logger) {
    super(log);
    this.queue = queue;
    this.store = store;
    this.metrics = metrics;
  }

  protected async round(signal: AbortSignal): Promise<number> {
    const taken = await this.queue.take(EVENTS_PER_ROUND, signal);
    if (taken.length === 0) return IDLE_MS;
    const applied = await this.store.apply(taken.map((one) => one.event));
    const early = new Set(applied.early);
    this.metrics.eventsUnmatched(applied.unmatched);
    const waits = (one: TakenEvent) =>
      early.has(one.event) && Date.now() - one.receivedAt.getTime() < GIVE_UP_MS;
    await this.queue.settle(
      taken.filter((one) => !waits(one)),
      taken.filter(waits),
    );
    return 0;
  }
}
