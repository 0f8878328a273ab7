import { type RateLimit, reserve } from '../domain/rate.ts';
import { sleep } from '../lifecycle.ts';
import type { SharedLimits } from './shared-limits.ts';

/**
 * Leased tokens are dropped after this, milliseconds: what many senders hold at once may come on top of the
 * limit in a window, so it must be little. With the burst of rate.ts it stays within a tenth of the limit.
 */
const HOLD_MS = 40;
const LONGEST_NAP_MS = 250;
/**
 * A limit that is used for the first time starts with its burst spent, this much late, and at half its speed for a
 * while: the first messages wait for cold connections and arrive together with later ones.
 */
const GENTLE_START_MS = 100;
const WARM_UP_MS = 400;
const MOST_SPENT_MS = 50;

/** Tokens for one key (a provider, a sender address, a recipient domain), shared if there is a store for it. */
export class TokenBucket {
  private limits: RateLimit[];
  private tats: number[];
  private firstUsed = 0;
  private held = 0;
  private heldUntil = 0;
  private leasing: Promise<void> | null = null;
  private readonly key: string;
  private readonly shared: SharedLimits | null;
  private senders: number;
  private readonly now: () => number;

  constructor(
    key: string,
    limits: RateLimit[],
    senders: number,
    shared: SharedLimits | null,
    now: () => number,
  ) {
    this.key = key;
    this.limits = limits;
    this.senders = senders;
    this.shared = shared;
    this.now = now;
    this.tats = limits.map(() => 0);
  }

  update(limits: RateLimit[], senders: number): void {
    this.limits = limits;
    this.tats = limits.map((_, i) => this.tats[i] ?? 0);
    this.senders = senders;
  }

  get unlimited(): boolean {
    return this.limits.length === 0;
  }

  /** Waits for one token; false when the signal aborted first. `want`: how many the caller can use soon. */
  async take(signal: AbortSignal, want: number): Promise<boolean> {
    if (this.unlimited) return !signal.aborted;
    while (!signal.aborted) {
      if (this.held > 0 && this.now() < this.heldUntil) {
        this.held--;
        return true;
      }
      this.held = 0;
      const waitMs = this.shared ? await this.leaseShared(want) : this.reserveLocal();
      if (waitMs === 'local') return this.takeLocal(signal);
      if (!this.shared) return waitMs > 0 ? sleep(waitMs, signal).then(() => !signal.aborted) : true;
      if (waitMs > 0) await sleep(Math.min(waitMs, LONGEST_NAP_MS), signal);
    }
    return false;
  }

  private takeLocal(signal: AbortSignal): Promise<boolean> {
    const waitMs = this.reserveLocal();
    return sleep(waitMs, signal).then(() => !signal.aborted);
  }

  /** One lease at a time for all who wait. */
  private async leaseShared(want: number): Promise<number | 'local'> {
    if (this.leasing) {
      await this.leasing;
      return 0;
    }
    let waitMs: number | 'local' = 0;
    this.leasing = this.shared!.lease(this.key, this.limits, this.blockOf(want), this.senders).then(
      (lease) => {
        if (lease === null) waitMs = 'local';
        else if (lease.granted === 0) waitMs = Math.max(1, lease.waitMs);
        else {
          this.held = lease.granted;
          this.heldUntil = this.now() + HOLD_MS;
        }
      },
    );
    try {
      await this.leasing;
    } finally {
      this.leasing = null;
    }
    return waitMs;
  }

  private blockOf(want: number): number {
    const perHold = Math.min(
      ...this.limits.map((limit) => (limit.amount * HOLD_MS) / limit.periodMs / this.senders),
    );
    return Math.max(1, Math.min(want, Math.floor(perHold)));
  }

  /** Without a store every live sender keeps to its share. Milliseconds to wait. */
  private reserveLocal(): number {
    const now = this.now();
    let atMs = now;
    this.firstUsed ||= now;
    const warmingUp = now - this.firstUsed < WARM_UP_MS;
    this.limits.forEach((limit, i) => {
      const share = {
        ...limit,
        amount: limit.amount / this.senders,
        burst: Math.max(1, Math.floor(limit.burst / this.senders)),
      };
      const intervalMs = share.periodMs / share.amount;
      const start = now + Math.min(share.burst * intervalMs, MOST_SPENT_MS) + GENTLE_START_MS;
      const slot = reserve(share, this.tats[i] || start, now, 1);
      this.tats[i] = slot.tatMs + (warmingUp ? Math.min(intervalMs, MOST_SPENT_MS) : 0);
      atMs = Math.max(atMs, slot.atMs);
    });
    return atMs - now;
  }
}
