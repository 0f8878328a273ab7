/**
 * A sender's own view of its leases, by the monotonic clock: a process that was stopped (SIGSTOP, a laptop's
 * sleep) must notice before it sends anything. Counted from before the statement that took or renewed it.
 */
export class LeaseClock {
  private validUntil = 0;
  private readonly leaseMs: number;
  private readonly now: () => number;

  constructor(leaseMs: number, now: () => number = () => performance.now()) {
    this.leaseMs = leaseMs;
    this.now = now;
  }

  /** Runs a statement that takes or renews leases. */
  async during<T>(statement: () => Promise<T>): Promise<T> {
    const before = this.now();
    const result = await statement();
    this.validUntil = before + this.leaseMs * SAFE_PART;
    return result;
  }

  /** The lease is known to be gone. */
  end(): void {
    this.validUntil = 0;
  }

  get valid(): boolean {
    return this.now() < this.validUntil;
  }
}

/** The rest is for a request that is being written while the lease runs out. */
const SAFE_PART = 0.8;
