/** A batch that is being sent, as it stands now. */
export interface OpenBatch {
  id: string;
  provider: string;
  /** Ready or leased messages; those that wait for a later try do not count. */
  inQueue: number;
  /** Everything that has an outcome. */
  settled: number;
  /** Held on purpose: paused, quiet hours, provider paused. */
  held: boolean;
}

interface Progress {
  settled: number;
  since: number;
}

/** How long each batch has made no progress although it could. Remembers what it saw last. */
export class StallClock {
  private seen = new Map<string, Progress>();

  /** @returns seconds by batch; 0 for one that moved, has nothing in its queue or is held */
  observe(batches: OpenBatch[], nowMs: number): Map<string, number> {
    const next = new Map<string, Progress>();
    const stalled = new Map<string, number>();
    for (const batch of batches) {
      const before = this.seen.get(batch.id);
      const moved = batch.held || batch.inQueue === 0 || before?.settled !== batch.settled;
      const progress = moved ? { settled: batch.settled, since: nowMs } : before!;
      next.set(batch.id, progress);
      stalled.set(batch.id, (nowMs - progress.since) / 1000);
    }
    this.seen = next;
    return stalled;
  }
}
