import { type ProviderLimits, rateLimitsOf, rateOf, reserve, sustainedPerSecond } from '../domain/rate.ts';
import { sleep } from '../lifecycle.ts';
import type { SharedLimits } from './shared-limits.ts';
import { TokenBucket } from './token-bucket.ts';

/** Share of the limit left after a provider said "too fast", at most once per SLOWDOWN_INTERVAL_MS. */
const SLOWDOWN_FACTOR = 0.5;
const SLOWDOWN_INTERVAL_MS = 1000;
/** Share of the limit won back per second of peace. */
const RECOVERY_PER_SECOND = 0.05;
const MIN_SHARE = 0.02;
/** However often a provider says "too fast", a lane without a lower limit goes on at this, messages per second. */
const MIN_PER_SECOND = 2;
/** Shorter than this nothing is learned about the speed, milliseconds. */
const SHORTEST_WINDOW_MS = 100;
/** Pause after "too fast" when the provider named none, milliseconds. */
const DEFAULT_PAUSE_MS = 1000;
/** Waits for a provider that does not answer, milliseconds. */
const FIRST_OUTAGE_MS = 500;
const LONGEST_OUTAGE_MS = 15_000;
/** Buckets of recipient domains and sender addresses kept at once. */
const MAX_KEYED = 10_000;

export interface LimiterOptions {
  /** Key of the lane in the shared store. */
  lane: string;
  limits: ProviderLimits;
  /** Live sender processes. */
  senders: number;
  shared: SharedLimits | null;
  now?: () => number;
}

/** What a message is limited by beside its lane. */
export interface MessageKeys {
  senderAddress: string | null;
  recipientDomain: string | null;
  /** How many more messages could use a token soon. */
  want: number;
}

/**
 * Rate of one lane in this process: the configured limits, shared with other senders, and lowered while the
 * provider says "too fast" (additive increase, multiplicative decrease).
 */
export class LaneLimiter {
  private options: LimiterOptions;
  private readonly lane: TokenBucket;
  private readonly keyed = new Map<string, TokenBucket>();
  private readonly now: () => number;
  private share = 1;
  private slowTat = 0;
  private slowedAt = Number.NEGATIVE_INFINITY;
  private recoveredAt = 0;
  private pausedUntil = 0;
  private outage: string | null = null;
  private outageMs = 0;
  /** Messages per second seen lately; what a lane without a limit is slowed down from. */
  private seenPerSecond = 0;
  private window = { startedAt: 0, count: 0 };

  constructor(options: LimiterOptions) {
    this.options = options;
    this.now = options.now ?? (() => performance.now());
    this.lane = new TokenBucket(
      options.lane,
      rateLimitsOf(options.limits),
      options.senders,
      options.shared,
      this.now,
    );
  }

  update(limits: ProviderLimits, senders: number): void {
    const before = this.options;
    this.options = { ...before, limits, senders };
    this.lane.update(rateLimitsOf(limits), senders);
    if (senders !== before.senders || limits !== before.limits) this.keyed.clear();
  }

  /** What holds now, for people: "14/s", "14/s, slowed to 50 %", or null. */
  describe(): string | null {
    this.recover();
    if (this.outage)
      return `does not answer (${this.outage}); tried again within ${LONGEST_OUTAGE_MS / 1000} s`;
    const base = rateLimitsOf(this.options.limits)[0]?.label ?? null;
    if (this.share >= 1) return base;
    return `${base ?? 'no limit set'}, slowed to ${Math.round(this.share * 100)} % because the provider said "too fast"`;
  }

  /** Messages per second: as configured for all senders, and what this process may do now; null without a limit. */
  rates(): { target: number | null; allowed: number | null } {
    this.recover();
    const target = sustainedPerSecond(this.options.limits);
    const base = this.share >= 1 ? this.sustained() : this.slowedPerSecond();
    const finite = (rate: number) => (Number.isFinite(rate) ? rate : null);
    return { target: finite(target), allowed: this.pausedUntil > this.now() ? 0 : finite(base) };
  }

  /** True when a message may go at once and no token has to be waited for. */
  get unlimited(): boolean {
    const { perDomainPerSecond, perSenderPerSecond } = this.options.limits;
    return (
      this.lane.unlimited &&
      !perDomainPerSecond &&
      !perSenderPerSecond &&
      this.share >= 1 &&
      this.pausedUntil <= this.now()
    );
  }

  /** Waits until the message may go; false when the signal aborted first. */
  async take(signal: AbortSignal, keys: MessageKeys): Promise<boolean> {
    const { perDomainPerSecond, perSenderPerSecond } = this.options.limits;
    this.observe(1);
    const slowMs = this.slowWaitMs();
    if (slowMs > 0) await sleep(slowMs, signal);
    if (signal.aborted) return false;
    if (
      perDomainPerSecond &&
      keys.recipientDomain &&
      !(await this.bucket(`domain:${keys.recipientDomain}`, perDomainPerSecond).take(signal, 1))
    )
      return false;
    if (
      perSenderPerSecond &&
      keys.senderAddress &&
      !(await this.bucket(`sender:${keys.senderAddress}`, perSenderPerSecond).take(signal, keys.want))
    )
      return false;
    return this.lane.take(signal, keys.want);
  }

  /** The provider said "too fast". */
  slowDown(retryAfterMs: number | null): void {
    const now = this.now();
    this.pausedUntil = Math.max(this.pausedUntil, now + (retryAfterMs ?? DEFAULT_PAUSE_MS));
    if (now - this.slowedAt < SLOWDOWN_INTERVAL_MS) return;
    this.recover();
    if (this.share >= 1) {
      const windowMs = Math.max(SHORTEST_WINDOW_MS, now - this.window.startedAt);
      this.seenPerSecond = Math.max(this.seenPerSecond, (this.window.count * 1000) / windowMs);
    }
    this.share = Math.max(MIN_SHARE, this.share * SLOWDOWN_FACTOR);
    this.slowedAt = now;
  }

  /** The provider does not answer: nothing is tried for a while, longer each time. */
  waitForProvider(reason: string): void {
    const now = this.now();
    if (this.pausedUntil > now) return;
    this.outageMs = Math.min(Math.max(this.outageMs * 2, FIRST_OUTAGE_MS), LONGEST_OUTAGE_MS);
    this.pausedUntil = now + this.outageMs;
    this.outage = reason;
  }

  providerAnswers(): void {
    this.outage = null;
    this.outageMs = 0;
  }

  private bucket(key: string, perSecond: number): TokenBucket {
    const known = this.keyed.get(key);
    if (known) return known;
    if (this.keyed.size >= MAX_KEYED) this.keyed.delete(this.keyed.keys().next().value!);
    const { lane, senders, shared } = this.options;
    const bucket = new TokenBucket(
      `${lane}:${key}`,
      [rateOf(perSecond, 1000, 's')],
      senders,
      shared,
      this.now,
    );
    this.keyed.set(key, bucket);
    return bucket;
  }

  /** Milliseconds to wait because of a pause or a slow-down; the slow-down is this process's own. */
  private slowWaitMs(): number {
    const now = this.now();
    this.recover();
    const pauseMs = Math.max(0, this.pausedUntil - now);
    if (this.share >= 1) return pauseMs;
    const slot = reserve({ ...rateOf(this.slowedPerSecond(), 1000, 's'), burst: 1 }, this.slowTat, now, 1);
    this.slowTat = slot.tatMs;
    return Math.max(pauseMs, slot.atMs - now);
  }

  private slowedPerSecond(): number {
    const base = Math.min(this.sustained(), Math.max(1, this.seenPerSecond));
    return Math.max(base * this.share, Math.min(MIN_PER_SECOND, this.sustained()));
  }

  /** This process's part. */
  private sustained(): number {
    return sustainedPerSecond(this.options.limits) / this.options.senders;
  }

  /** Messages that are about to go; called for those that need not be waited for. */
  observe(count: number): void {
    const now = this.now();
    if (this.window.startedAt === 0) this.window.startedAt = now;
    this.window.count += count;
    if (now - this.window.startedAt < 1000) return;
    // While slowed down, what is seen says nothing about what the provider takes.
    if (this.share >= 1 || this.seenPerSecond === 0)
      this.seenPerSecond = (this.window.count * 1000) / Math.max(1000, now - this.window.startedAt);
    this.window = { startedAt: now, count: 0 };
  }

  private recover(): void {
    const now = this.now();
    const quietSince = Math.max(this.slowedAt, this.recoveredAt, this.pausedUntil);
    if (this.share >= 1 || now <= quietSince) return;
    this.share = Math.min(1, this.share + ((now - quietSince) / 1000) * RECOVERY_PER_SECOND);
    this.recoveredAt = now;
  }
}
