/** Bounds how many messages of a lane are in flight; hands out places in order of asking. */
export class Slots {
  private capacity: number;
  private used = 0;
  private readonly waiting = new Set<(granted: boolean) => void>();

  constructor(count: number) {
    this.capacity = count;
  }

  get inFlight(): number {
    return this.used;
  }

  get open(): boolean {
    return this.capacity > 0;
  }

  /** More places at once, fewer as messages come back. */
  resize(count: number): void {
    this.capacity = count;
    for (const next of this.waiting) {
      if (this.used >= this.capacity) return;
      this.grant(next);
    }
  }

  /** True when a place was free at once; otherwise wait for `turn`. */
  tryTake(): boolean {
    if (this.used >= this.capacity) return false;
    this.used++;
    return true;
  }

  /** Waits for a place; false when it was woken without one, to look whether it should still wait. */
  turn(): Promise<boolean> {
    return new Promise((resolve) => this.waiting.add(resolve));
  }

  /**
   * Wakes all who wait: somebody's chunk is to stop, and with no place at all nothing else would. Cheaper than a
   * listener on the signal for each message that waits.
   */
  wake(): void {
    for (const next of this.waiting) next(false);
    this.waiting.clear();
  }

  give(): void {
    this.used--;
    const next = this.waiting.values().next();
    if (!next.done && this.used < this.capacity) this.grant(next.value);
  }

  private grant(next: (granted: boolean) => void): void {
    this.waiting.delete(next);
    this.used++;
    next(true);
  }
}
