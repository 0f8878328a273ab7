import { type ProviderLimits, type RateLimit, rateLimitsOf, reserve } from '../domain/rate.ts';
import { sleep } from '../lifecycle.ts';

/** Share of the limit left after a provider said "too fast", at most once per SLOWDOWN_INTERVAL_MS. */
const SLOWDOWN_FACTOR = 0.5;
const SLOWDOWN_INTERVAL_MS = 1000;
/** Share of the limit won back per second of peace. */
const RECOVERY_PER_SECOND = 0.05;
const MIN_SHARE = 0.02;
/** Pause after "too fast" when the provider named none, milliseconds. */
const DEFAULT_PAUSE_MS = 1000;
/** Waits for a provider that does not answer, milliseconds. */
const FIRST_OUTAGE_MS = 500;
const LONGEST_OUTAGE_MS = 15_000;

/**
 * Rate of one lane in this process: the configured limits, divided by the senders that share them, and
 * lowered while the provider says "too fast" (additive increase, multiplicative decrease).
 */
export class LaneLimiter {
  private limits: RateLimit[];
  private tats: number[];
  private share = 1;
  private slowedAt = Number.NEGATIVE_INFINITY;
  private pausedUntil = 0;
  /** Messages per second seen lately; what a lane without a limit is slowed down from. */
  private seenPerSecond = 0;
  private window = { startedAt: 0, count: 0 };
  private readonly now: () => number;

  /** @param senders how many processes share the limits */
  constructor(limits: ProviderLimits, senders: number, now: () => number = () => performance.now()) {
    this.now = now;
    this.limits = shared(limits, senders);
    this.tats = this.limits.map(() => 0);
  }

  update(limits: ProviderLimits, senders: number): void {
    this.limits = shared(limits, senders);
    this.tats = this.limits.map((_, i) => this.tats[i] ?? 0);
  }

  /** The limit that holds now, for people: "14/s", "14/s, slowed to 50 %", or null. */
  describe(): string | null {
    this.recover();
    if (this.outage)
      return `does not answer (${this.outage}); tried again within ${LONGEST_OUTAGE_MS / 1000} s`;
    const base = this.limits[0]?.label ?? null;
    if (this.share >= 1) return base;
    return `${base ?? 'no limit set'}, slowed to ${Math.round(this.share * 100)} % because the provider said "too fast"`;
  }

  /** Waits for a token; false when the signal aborted first. Without limits there is nothing to wait for. */
  async take(signal: AbortSignal): Promise<boolean> {
    const waitMs = this.reserve();
    if (waitMs > 0) await sleep(waitMs, signal);
    return !signal.aborted;
  }

  /** True when the next message may go at once and no token has to be waited for. */
  get unlimited(): boolean {
    return this.limits.length === 0 && this.share >= 1 && this.pausedUntil <= this.now();
  }

  /** The provider said "too fast". */
  slowDown(retryAfterMs: number | null): void {
    const now = this.now();
    this.pausedUntil = Math.max(this.pausedUntil, now + (retryAfterMs ?? DEFAULT_PAUSE_MS));
    if (now - this.slowedAt < SLOWDOWN_INTERVAL_MS) return;
    this.recover();
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

  private outage: string | null = null;
  private outageMs = 0;

  private reserve(): number {
    const now = this.now();
    this.observe(now);
    this.recover();
    let atMs = Math.max(now, this.pausedUntil);
    this.limitsNow().forEach((limit, i) => {
      const slot = reserve(limit, this.tats[i] ?? 0, now, 1);
      this.tats[i] = slot.tatMs;
      atMs = Math.max(atMs, slot.atMs);
    });
    return atMs - now;
  }

  private limitsNow(): RateLimit[] {
    if (this.share >= 1) return this.limits;
    const base = this.limits.length
      ? this.limits
      : [{ amount: Math.max(1, this.seenPerSecond), periodMs: 1000, burst: 1, label: '' }];
    return base.map((limit) => ({ ...limit, amount: limit.amount * this.share, burst: 1 }));
  }

  private observe(now: number): void {
    this.window.count++;
    if (now - this.window.startedAt < 1000) return;
    this.seenPerSecond = (this.window.count * 1000) / Math.max(1000, now - this.window.startedAt);
    this.window = { startedAt: now, count: 0 };
  }

  private recoveredAt = 0;
  private recover(): void {
    const now = this.now();
    const quietSince = Math.max(this.slowedAt, this.recoveredAt, this.pausedUntil);
    if (this.share >= 1 || now <= quietSince) return;
    this.share = Math.min(1, this.share + ((now - quietSince) / 1000) * RECOVERY_PER_SECOND);
    this.recoveredAt = now;
  }
}

function shared(limits: ProviderLimits, senders: number): RateLimit[] {
  const parts = Math.max(1, senders);
  return rateLimitsOf(limits).map((limit) => ({
    ...limit,
    amount: limit.amount / parts,
    burst: Math.max(1, Math.floor(limit.burst / parts)),
  }));
}
