import { sleep } from '../lifecycle.ts';
import type { SharedLimits } from './shared-limits.ts';
import type { Slots } from './slots.ts';

/** How often a sender asks again; what it no longer needs is free for others after this, milliseconds. */
const RENEW_MS = 500;
const LOOK_MS = 50;

/** This sender among those alive: how many there are, and its place among them, from 0. */
export interface Standing {
  senders: number;
  rank: number;
}

export interface LaneSeatsOptions {
  lane: string;
  slots: Slots;
  /** Messages in flight that the provider allows; undefined when it sets no limit. */
  limit: number | undefined;
  shared: SharedLimits | null;
  standing(): Standing;
}

/** Places of a lane's concurrency for this sender: leased from the shared store, or its share without one. */
export class LaneSeats {
  private readonly options: LaneSeatsOptions;
  private timer: NodeJS.Timeout | null = null;
  private asking: Promise<void> = Promise.resolve();

  constructor(options: LaneSeatsOptions) {
    this.options = options;
  }

  /** Asks for places while the lane is served. */
  async open(): Promise<void> {
    if (this.options.limit === undefined) return;
    await this.ask(true);
    this.timer = setInterval(() => {
      this.asking = this.ask(true);
    }, RENEW_MS);
  }

  /** Resolves once there is a place at all: a sender without one claims nothing. */
  async ready(signal: AbortSignal): Promise<void> {
    while (!this.options.slots.open && !signal.aborted) await sleep(LOOK_MS, signal);
  }

  async close(): Promise<void> {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    await this.asking;
    await this.ask(false);
  }

  private async ask(wanted: boolean): Promise<void> {
    const { lane, slots, shared, standing } = this.options;
    const limit = this.options.limit!;
    const { senders, rank } = standing();
    const request = { limit, wanted, senders, inFlight: slots.inFlight };
    slots.resize((await shared?.seats(lane, request)) ?? shareOf(limit, senders, rank));
  }
}

/** The shares of all senders add up to the limit; with more senders than places the last ones have none. */
export function shareOf(limit: number, senders: number, rank: number): number {
  return Math.floor(limit / senders) + (rank < limit % senders ? 1 : 0);
}
