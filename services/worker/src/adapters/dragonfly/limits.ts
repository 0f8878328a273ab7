import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { RateLimit } from '../../domain/rate.ts';
import type { Agent } from '../../lifecycle.ts';
import type { SeatRequest, SharedLimits, TokenLease } from '../../pipeline/shared-limits.ts';
import { LEASE, PRESENT, SEATS } from './scripts.ts';

const PREFIX = 'batchsender:rate:';
const SENDERS = `${PREFIX}senders`;
/** A sender waits no longer than this for the store, milliseconds. */
const COMMAND_TIMEOUT_MS = 250;
const RECONNECT_MS = 500;
/** The others count a sender in for this long after its last word; before that it must not use its share. */
const PRESENT_MS = 1000;
const SAY_PRESENT_MS = 250;
/** Seats of a sender that died are free after this, milliseconds; several renewals. */
const SEATS_KEPT_MS = 3000;

type Scripts = Redis & {
  present(key: string, ...args: (string | number)[]): Promise<number>;
  leaseTokens(keys: number, ...args: (string | number)[]): Promise<[number, number]>;
  takeSeats(...args: (string | number)[]): Promise<number>;
};

/** One rate and one concurrency for all senders, in Dragonfly, Valkey or Redis. */
export class DragonflyLimits implements SharedLimits, Agent {
  readonly name = 'shared limits';
  private readonly redis: Scripts;
  private readonly sender: string;
  private readonly log: Logger;
  private down = false;
  private timer: NodeJS.Timeout | null = null;
  private presentUntil = 0;

  constructor(url: string, sender: string, log: Logger) {
    this.sender = sender;
    this.log = log;
    this.redis = new Redis(url, {
      commandTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => RECONNECT_MS,
    }) as Scripts;
    this.redis.defineCommand('present', { lua: PRESENT, numberOfKeys: 1 });
    this.redis.defineCommand('leaseTokens', { lua: LEASE });
    this.redis.defineCommand('takeSeats', { lua: SEATS, numberOfKeys: 2 });
    this.redis.on('error', () => {});
  }

  /** Says that this sender uses the store, also while it has nothing to send. */
  async start(): Promise<void> {
    const say = () => void this.ask(() => this.redis.present(SENDERS, ...this.self()));
    this.redis.on('ready', say);
    this.timer = setInterval(say, SAY_PRESENT_MS);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    if (this.redis.status === 'ready') await this.redis.zrem(SENDERS, this.sender).catch(() => {});
  }

  async lease(key: string, limits: RateLimit[], want: number, senders: number): Promise<TokenLease | null> {
    const keys = limits.map((limit) => `${PREFIX}{${key}}:${limit.label.split('/')[1]}`);
    const args = limits.flatMap((limit) => [Math.round((limit.periodMs * 1000) / limit.amount), limit.burst]);
    const answer = await this.ask(() =>
      this.redis.leaseTokens(keys.length + 1, SENDERS, ...keys, ...this.self(), senders, want, ...args),
    );
    if (answer) return { granted: answer[0], waitMs: answer[1] / 1000 };
    return this.stillCountedMs > 0 ? { granted: 0, waitMs: this.stillCountedMs } : null;
  }

  async seats(key: string, request: SeatRequest): Promise<number | null> {
    const { limit, inFlight, wanted, senders } = request;
    const args = [senders, limit, inFlight, wanted ? 1 : 0, SEATS_KEPT_MS * 1000];
    const answer = await this.ask(() =>
      this.redis.takeSeats(SENDERS, `${PREFIX}{${key}}:seats`, ...this.self(), ...args),
    );
    if (answer !== null) return answer;
    // What is in flight has its seats in the store still; a share on top of them could exceed the limit.
    return this.stillCountedMs > 0 ? inFlight : null;
  }

  async close(): Promise<void> {
    this.redis.disconnect();
  }

  /** @throws when the server does not answer */
  async ping(): Promise<void> {
    await this.redis.ping();
  }

  /** How long the others go on counting this sender in, milliseconds. */
  private get stillCountedMs(): number {
    return Math.max(0, this.presentUntil - performance.now());
  }

  private self(): [string, number] {
    return [this.sender, PRESENT_MS * 1000];
  }

  private async ask<T>(command: () => Promise<T>): Promise<T | null> {
    const until = performance.now() + PRESENT_MS;
    try {
      const answer = await command();
      // Any command of ours says "present"; from the moment it was sent, to be on the safe side.
      this.presentUntil = until;
      this.note(false);
      return answer;
    } catch (error) {
      this.note(true, error);
      return null;
    }
  }

  private note(down: boolean, error?: unknown): void {
    if (down === this.down) return;
    this.down = down;
    if (down) this.log.warn({ err: error }, 'shared limits not available: every sender keeps to its share');
    else this.log.info('shared limits are back');
  }
}
