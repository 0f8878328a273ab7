import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { RateLimit } from '../../domain/rate.ts';
import type { SharedRate, TokenLease } from '../../pipeline/shared-rate.ts';

const PREFIX = 'batchsender:rate:';
/** A sender waits no longer than this for the store before it falls back to its share, milliseconds. */
const COMMAND_TIMEOUT_MS = 250;
const RECONNECT_MS = 500;

/**
 * GCRA of several limits at once, by the server's clock. KEYS: one a limit; ARGV: wanted tokens, then interval
 * in microseconds and burst of each. A limit that was not used lately starts with its burst spent and 100 ms late,
 * since cold connections let the first messages arrive in a clump. Returns granted tokens and, when none, microseconds to wait.
 */
const LEASE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local granted = tonumber(ARGV[1])
local wait = 0
local tats = {}
for i = 1, #KEYS do
  local interval = tonumber(ARGV[2 * i])
  local burst = tonumber(ARGV[2 * i + 1])
  local known = redis.call('GET', KEYS[i])
  if not known then
    known = string.format('%.0f', now + math.min(burst * interval, 50000) + 100000)
    redis.call('SET', KEYS[i], known, 'PX', 1000)
  end
  local tat = math.max(tonumber(known), now)
  tats[i] = tat
  local free = math.floor((now + burst * interval - tat) / interval)
  if free < granted then granted = math.max(free, 0) end
  wait = math.max(wait, tat + interval - burst * interval - now)
end
if granted == 0 then return {0, math.max(1, math.ceil(wait))} end
for i = 1, #KEYS do
  local interval = tonumber(ARGV[2 * i])
  local tat = tats[i] + granted * interval
  redis.call('SET', KEYS[i], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1000)
end
return {granted, 0}
`;

type LeaseCommand = Redis & {
  leaseTokens(keys: number, ...args: (string | number)[]): Promise<[number, number]>;
};

/** One rate for all senders, in Dragonfly, Valkey or Redis. */
export class DragonflyRate implements SharedRate {
  private readonly redis: LeaseCommand;
  private readonly log: Logger;
  private down = false;

  constructor(url: string, log: Logger) {
    this.log = log;
    this.redis = new Redis(url, {
      commandTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => RECONNECT_MS,
    }) as LeaseCommand;
    this.redis.defineCommand('leaseTokens', { lua: LEASE });
    this.redis.on('error', () => {});
  }

  async lease(key: string, limits: RateLimit[], want: number): Promise<TokenLease | null> {
    try {
      const keys = limits.map((limit) => `${PREFIX}{${key}}:${limit.label.split('/')[1]}`);
      const args = limits.flatMap((limit) => [
        Math.round((limit.periodMs * 1000) / limit.amount),
        limit.burst,
      ]);
      const [granted, waitMicroseconds] = await this.redis.leaseTokens(keys.length, ...keys, want, ...args);
      this.note(false);
      return { granted, waitMs: waitMicroseconds / 1000 };
    } catch (error) {
      this.note(true, error);
      return null;
    }
  }

  async ping(): Promise<void> {
    await this.redis.ping();
  }

  async close(): Promise<void> {
    this.redis.disconnect();
  }

  private note(down: boolean, error?: unknown): void {
    if (down === this.down) return;
    this.down = down;
    if (down) this.log.warn({ err: error }, 'shared rate not available: every sender keeps to its share');
    else this.log.info('shared rate is back');
  }
}
