/** Seconds over which the speed is measured. */
const WINDOW_SECONDS = 10;

/** Events per second over the last whole seconds; one number a second, whatever the load. */
export class RateMeter {
  private readonly counts = new Array<number>(WINDOW_SECONDS + 1).fill(0);
  private readonly startedAt: number;
  private second: number;
  private readonly now: () => number;

  /** @param now milliseconds of a clock that does not jump */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
    this.second = Math.floor(now() / 1000);
    this.startedAt = this.second;
  }

  add(): void {
    this.advance();
    this.counts[this.second % this.counts.length]! += 1;
  }

  /** Over the whole seconds that have passed, at most ten; what is counted now belongs to the next one. */
  perSecond(): number {
    this.advance();
    const seconds = Math.min(WINDOW_SECONDS, this.second - this.startedAt);
    if (seconds === 0) return 0;
    const current = this.counts[this.second % this.counts.length]!;
    return (this.counts.reduce((sum, count) => sum + count, 0) - current) / seconds;
  }

  private advance(): void {
    const second = Math.floor(this.now() / 1000);
    const passed = Math.min(second - this.second, this.counts.length);
    for (let i = 1; i <= passed; i++) this.counts[(this.second + i) % this.counts.length] = 0;
    // After a long silence every count is zero, so any place will do.
    this.second = second;
  }
}
