import type { Logger } from 'pino';
import type { PlannerMetrics } from './metrics.ts';
import { PollingAgent } from './polling-agent.ts';

/** What the planner asks of the database; each call does a bounded amount of work and says how much. */
export interface PlannerStore {
  /** Makes scheduled batches whose time has come ready; returns how many. */
  startDue(): Promise<number>;
  /** Holds batches in their quiet hours and lets them go afterwards; returns how many changed. */
  applyQuietHours(now: Date): Promise<number>;
  /** Gives chunks with an expired lease back; returns how many. */
  returnExpired(): Promise<number>;
  /** Gathers messages due for another try into new chunks; returns how many messages. */
  gatherRetries(): Promise<number>;
  /** Announces what is ready, as the chunk rows say, to whoever dispatches; repeated until it is taken. */
  announceReady(): Promise<void>;
  /** Completes batches that have nothing left to do; returns how many. */
  finishBatches(): Promise<number>;
  /** Drops what is out of date and prepares partitions. */
  prune(): Promise<void>;
}

/** Leadership: only one planner plans, whoever holds the lock. */
export interface Leadership {
  /** True while this process leads; tries to become the leader when nobody does. */
  lead(): Promise<boolean>;
  resign(): Promise<void>;
}

/** Resolves when there may be something to plan, or after `ms`. */
export interface PlannerSignal {
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

const TICK_MS = 250;
const PRUNE_EVERY_MS = 60_000;

/** Starts, returns, gathers and finishes, a step at a time; every step is safe to repeat. */
export class Planner extends PollingAgent {
  readonly name = 'planner';
  protected readonly failure = 'planning failed, trying again';
  private readonly store: PlannerStore;
  private readonly leadership: Leadership;
  private readonly signal: PlannerSignal;
  private readonly metrics: PlannerMetrics;
  private prunedAt = Number.NEGATIVE_INFINITY;

  constructor(
    store: PlannerStore,
    leadership: Leadership,
    signal: PlannerSignal,
    metrics: PlannerMetrics,
    log: Logger,
  ) {
    super(log);
    this.store = store;
    this.leadership = leadership;
    this.signal = signal;
    this.metrics = metrics;
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.leadership.resign();
  }

  protected async round(signal: AbortSignal): Promise<number> {
    if (await this.leadership.lead()) await this.plan();
    await this.signal.wait(TICK_MS, signal);
    return 0;
  }

  /** One round; public for tests. */
  async plan(): Promise<void> {
    await this.store.startDue();
    await this.store.applyQuietHours(new Date());
    const returned = await this.store.returnExpired();
    this.metrics.leasesExpired(returned);
    if (returned) this.log.warn({ chunks: returned }, 'leases expired; chunks given back');
    await this.store.gatherRetries();
    await this.store.announceReady();
    await this.store.finishBatches();
    if (performance.now() - this.prunedAt < PRUNE_EVERY_MS) return;
    this.prunedAt = performance.now();
    await this.store.prune();
  }
}
