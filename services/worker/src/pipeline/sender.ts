import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { attachmentBytes } from '../domain/content/attachment.ts';
import type { PublicLinks } from '../domain/links/token.ts';
import { sustainedPerSecond } from '../domain/rate.ts';
import type { RetryPolicy } from '../domain/retry.ts';
import { type Agent, sleep } from '../lifecycle.ts';
import { BatchComposer } from './batch-composer.ts';
import { type ChunkRunDeps, runChunk, WINDOW } from './chunk-run.ts';
import type { ChunkStore, ClaimedChunk, Lane } from './chunk-store.ts';
import type { Dispatcher } from './dispatcher.ts';
import { LaneLimiter } from './lane-limiter.ts';
import { LaneSeats, type Standing } from './lane-seats.ts';
import { LeaseClock } from './lease.ts';
import type { LaneRate, SenderMetrics } from './metrics.ts';
import { persist } from './persist.ts';
import type { Provider, ProviderFactory } from './provider.ts';
import type { SharedLimits } from './shared-limits.ts';
import { Slots } from './slots.ts';

/**
 * Chunks of a lane sent side by side: while the outcomes of one are written, the others keep the provider
 * busy. With WINDOW it bounds the messages that a crash of this sender leaves uncertain in a lane.
 */
export const CHUNKS_PER_LANE = 4;
/** Lanes served at once; others wait for the next free place, so one process stays within its memory. */
const MAX_LANES = 32;
/** How long a sender sleeps when nothing tells it that work is ready. */
const IDLE_WAIT_MS = 500;
/** Chunks after which a lane run makes room for lanes that wait. */
const CHUNKS_PER_TURN = 4;
const BATCH_CACHE_ENTRIES = 64;
/** Attachments of batches kept at once. */
const BATCH_CACHE_BYTES = 64 * 1024 * 1024;

export interface SenderDeps {
  store: ChunkStore;
  dispatcher: Dispatcher;
  providers: ProviderFactory;
  metrics: SenderMetrics;
  log: Logger;
  owner: string;
  leaseMs: number;
  outbox: boolean;
  /** Null when the worker has no public address. */
  links: PublicLinks | null;
  retry: RetryPolicy;
  /** One rate and concurrency for all senders; null when each keeps to its share. */
  sharedLimits: SharedLimits | null;
  /** Live sender processes, which share every limit, and this one's place among them. */
  standing(): Standing;
  /** Tells when a batch was paused or cancelled. */
  onControl(listener: (batchId: string) => void): void;
}

interface LaneState {
  name: string;
  provider: Provider;
  version: number;
  limiter: LaneLimiter;
  slots: Slots;
  seats: LaneSeats;
  observeSend(seconds: number): void;
}

/** Goes round the lanes that have ready chunks and sends them. */
export class Sender implements Agent {
  readonly name = 'sender';
  private readonly deps: SenderDeps;
  private readonly stopping = new AbortController();
  private readonly running = new Map<string, Promise<void>>();
  private readonly lanes = new Map<string, LaneState>();
  private readonly batches = new Map<string, BatchComposer>();
  /** Abort controllers of chunks being sent, by batch: a pause reaches them at once. */
  private readonly active = new Map<string, Set<AbortController>>();
  private loop: Promise<void> | null = null;

  constructor(deps: SenderDeps) {
    this.deps = deps;
  }

  async start(): Promise<void> {
    setMaxListeners(0, this.stopping.signal);
    await this.deps.dispatcher.start();
    this.deps.onControl((batchId) => {
      for (const controller of this.active.get(batchId) ?? []) controller.abort();
      this.batches.delete(batchId);
    });
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    for (const controllers of this.active.values()) for (const controller of controllers) controller.abort();
    await this.loop;
    await Promise.all(this.running.values());
    await this.deps.dispatcher.stop();
    await Promise.all([...this.lanes.values()].map((lane) => lane.provider.close()));
    this.lanes.clear();
  }

  /** What limits each lane now, for the batch page. */
  limits(): Map<string, string | null> {
    return new Map([...this.lanes].map(([id, lane]) => [id, lane.limiter.describe()]));
  }

  /** Speed of each lane, for metrics. */
  rates(): LaneRate[] {
    return [...this.lanes.values()].map((lane) => ({ provider: lane.name, ...lane.limiter.rates() }));
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const ready = await this.deps.store.readyLanes();
        for (const lane of ready)
          if (!this.running.has(lane.id) && this.running.size < MAX_LANES) this.startLane(lane);
        await this.deps.dispatcher.wait(IDLE_WAIT_MS, signal);
      } catch (error) {
        this.deps.log.warn({ err: error }, 'sender could not look for work');
        await sleep(IDLE_WAIT_MS, signal);
      }
    }
  }

  private startLane(lane: Lane): void {
    const run = this.runLane(lane)
      .catch((error: unknown) =>
        this.deps.log.error({ err: error, provider: lane.provider.name }, 'lane failed'),
      )
      .finally(() => this.running.delete(lane.id));
    this.running.set(lane.id, run);
  }

  private async runLane(lane: Lane): Promise<void> {
    const state = await this.laneState(lane);
    await state.seats.open();
    try {
      await Promise.all(Array.from({ length: CHUNKS_PER_LANE }, () => this.runTrack(lane, state)));
    } finally {
      await state.seats.close();
    }
  }

  /** Sends chunk after chunk until the lane has none, or others wait for its place. */
  private async runTrack(lane: Lane, state: LaneState): Promise<void> {
    const { store, owner, leaseMs } = this.deps;
    for (let done = 0; !this.stopping.signal.aborted; done++) {
      if (done >= CHUNKS_PER_TURN && this.running.size >= MAX_LANES) return;
      await state.seats.ready(this.stopping.signal);
      if (this.stopping.signal.aborted) return;
      const lease = new LeaseClock(leaseMs);
      const chunk = await lease.during(() =>
        persist(() => store.claim(lane.id, owner, leaseMs), this.deps.log),
      );
      if (!chunk) return;
      const end = await this.sendChunk(chunk, lane, state, lease);
      if (end !== 'finished') return;
    }
  }

  private async sendChunk(chunk: ClaimedChunk, lane: Lane, state: LaneState, lease: LeaseClock) {
    const stop = new AbortController();
    // One listener a message in flight is meant here, not a leak.
    setMaxListeners(0, stop.signal);
    stop.signal.addEventListener('abort', () => state.slots.wake());
    const controllers = this.active.get(chunk.batchId) ?? new Set();
    this.active.set(chunk.batchId, controllers.add(stop));
    const renewal = setInterval(() => this.renew(chunk, lease), this.deps.leaseMs / 3);
    try {
      const composer = await this.batch(chunk.batchId);
      const context = {
        batch: composer.batch,
        composer,
        lease,
        stop: stop.signal,
        retry: this.deps.retry,
        ...state,
      };
      return await runChunk(chunk, context, this.chunkDeps(lane));
    } finally {
      clearInterval(renewal);
      controllers.delete(stop);
      if (controllers.size === 0) this.active.delete(chunk.batchId);
    }
  }

  private async renew(chunk: ClaimedChunk, lease: LeaseClock): Promise<void> {
    try {
      if (!lease.valid) return;
      const renewed = await lease.during(() =>
        this.deps.store.renew(chunk, this.deps.owner, this.deps.leaseMs),
      );
      if (!renewed) lease.end();
    } catch (error) {
      this.deps.log.warn({ err: error }, 'lease could not be renewed');
    }
  }

  private chunkDeps(lane: Lane): ChunkRunDeps {
    const { store, owner, leaseMs, log, metrics, outbox } = this.deps;
    const windowSize = Math.max(1, Math.min(WINDOW, Math.ceil(sustainedPerSecond(lane.provider.limits))));
    return {
      store,
      owner,
      leaseMs,
      log,
      metrics,
      outbox,
      windowSize,
      providerName: lane.provider.name,
      providerId: lane.id,
    };
  }

  private async laneState(lane: Lane): Promise<LaneState> {
    const known = this.lanes.get(lane.id);
    const { senders } = this.deps.standing();
    if (known?.version === lane.provider.version) {
      known.limiter.update(lane.provider.limits, senders);
      return known;
    }
    const provider = this.deps.providers(lane.provider);
    const { concurrency } = lane.provider.limits;
    const slots = new Slots(concurrency === undefined ? provider.defaultConcurrency : 0);
    const state: LaneState = {
      name: lane.provider.name,
      provider,
      version: lane.provider.version,
      limiter:
        known?.limiter ??
        new LaneLimiter({
          lane: lane.id,
          limits: lane.provider.limits,
          senders,
          shared: this.deps.sharedLimits,
        }),
      slots,
      observeSend: this.deps.metrics.sendTimer(lane.provider.name),
      seats: new LaneSeats({
        lane: lane.id,
        slots,
        limit: concurrency,
        shared: this.deps.sharedLimits,
        standing: () => this.deps.standing(),
      }),
    };
    state.limiter.update(lane.provider.limits, senders);
    this.lanes.set(lane.id, state);
    await known?.provider.close();
    return state;
  }

  private async batch(id: string): Promise<BatchComposer> {
    const known = this.batches.get(id);
    if (known) return known;
    const content = await persist(() => this.deps.store.batch(id), this.deps.log);
    const composer = new BatchComposer(content, this.deps.links);
    this.batches.set(id, composer);
    let bytes = 0;
    for (const one of this.batches.values()) bytes += attachmentBytes(one.batch.attachments);
    while (this.batches.size > BATCH_CACHE_ENTRIES || (bytes > BATCH_CACHE_BYTES && this.batches.size > 1)) {
      const [oldest, { batch }] = this.batches.entries().next().value!;
      this.batches.delete(oldest);
      bytes -= attachmentBytes(batch.attachments);
    }
    return composer;
  }
}
