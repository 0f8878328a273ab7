import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Child, startChild } from '../../bench/child.ts';
import { type ChildWorker, spawnWorker } from '../support/child-worker.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type HttpSink, startHttpSink } from '../support/http-sink.ts';
import { ownRedis } from '../support/redis.ts';
import { seedAccount, sendBatch } from '../support/worker.ts';

const redisUrl = inject('redisUrl');
const sinkProgram = fileURLToPath(new URL('../../dist/bench/http-sink.js', import.meta.url));
const LIMIT = 500;
/** Stated in domain/rate.ts: burst and held tokens together. */
const ALLOWED = LIMIT * 1.1;
const SENDERS = 4;
const SECONDS = Number(process.env.BATCHSENDER_RATE_SECONDS ?? 8);

let database: TestDatabase;
let sink: HttpSink;
let remoteSink: Child | null = null;
const workers: ChildWorker[] = [];
const arrivals: number[] = [];
beforeAll(async () => {
  database = await createDatabase('rate');
  await seedAccount(database.url, '00'.repeat(32));
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await sink?.close();
  await remoteSink?.stop();
  remoteSink = null;
  arrivals.length = 0;
});
afterAll(() => database?.drop());

async function start(env: Record<string, string>): Promise<ChildWorker> {
  const worker = await spawnWorker(database.url, env);
  workers.push(worker);
  return worker;
}

/** A sink of its own process: this one is too busy to tell milliseconds. */
async function arrivalsAtSink(): Promise<number[]> {
  return (await fetch(`http://127.0.0.1:${remoteSink!.first.port}/arrivals`)).json() as Promise<number[]>;
}

async function webhook(api: ChildWorker, name: string, limits: Record<string, number>): Promise<void> {
  const settings = { url: `http://127.0.0.1:${remoteSink!.first.port}/` };
  await api.api('POST', '/api/providers', { name, kind: 'webhook', settings, limits });
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000));

/** Most arrivals in any window of a second. */
function fullestSecond(times: number[]): number {
  let most = 0;
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= 1000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

describe.each([
  ['a shared store', redisUrl ? { REDIS_URL: redisUrl } : null],
  ['shares', {}],
] as [string, Record<string, string> | null][])('%s', (_name, env) => {
  test.runIf(env !== null)(
    `keeps ${SENDERS} senders together at ${LIMIT}/s in every second, and near it on average`,
    async () => {
      remoteSink = await startChild(process.execPath, [sinkProgram], {}, 'port');
      const api = await start({ ...env!, ROLES: 'api,planner' });
      await api.api('POST', '/api/providers', {
        name: `limited-${Date.now()}`,
        kind: 'webhook',
        settings: { url: `http://127.0.0.1:${remoteSink.first.port}/` },
        limits: { perSecond: LIMIT },
      });
      const { body } = await api.api<{ items: { name: string }[] }>('GET', '/api/providers');
      await Promise.all(Array.from({ length: SENDERS }, () => start({ ...env!, ROLES: 'sender' })));
      // Every sender has heard of the others.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const id = await sendBatch(api as never, body.items.at(-1)!.name, 4 * LIMIT * SECONDS);
      await new Promise((resolve) => setTimeout(resolve, (SECONDS + 2) * 1000));
      const times = await arrivalsAtSink();
      const steady = times.filter((at) => at >= times[0]! + 1000 && at < times[0]! + 1000 + SECONDS * 1000);
      expect(fullestSecond(times)).toBeLessThanOrEqual(ALLOWED);
      expect(steady.length / SECONDS).toBeGreaterThanOrEqual(LIMIT * 0.95);
      await api.api('POST', `/api/batches/${id}/cancel`);
    },
    SECONDS * 1000 + 40_000,
  );
});

test.runIf(redisUrl)(
  'a store that is killed and comes back never lets senders exceed the limit, and is used again',
  async () => {
    const redis = await ownRedis();
    try {
      remoteSink = await startChild(process.execPath, [sinkProgram], {}, 'port');
      const env = { REDIS_URL: redis.url };
      const api = await start({ ...env, ROLES: 'api,planner' });
      await webhook(api, 'outage', { perSecond: LIMIT });
      await Promise.all(Array.from({ length: SENDERS }, () => start({ ...env, ROLES: 'sender' })));
      await seconds(1.5);
      const id = await sendBatch(api as never, 'outage', LIMIT * 30);
      await seconds(3);
      await redis.kill();
      await seconds(4);
      const during = (await arrivalsAtSink()).length;
      await redis.start();
      await seconds(4);
      const times = await arrivalsAtSink();
      expect(fullestSecond(times)).toBeLessThanOrEqual(ALLOWED);
      // Sent in the outage too, and near the limit once it was over.
      const lastSecond = times.filter((at) => at > times.at(-1)! - 1000).length;
      expect(during).toBeGreaterThan(LIMIT * 3.5);
      expect(lastSecond).toBeGreaterThan(LIMIT * 0.8);
      await api.api('POST', `/api/batches/${id}/cancel`);
    } finally {
      await redis.kill();
    }
  },
  60_000,
);

const CONCURRENCY = 10;

test.runIf(redisUrl)(
  'concurrency is leased: senders together keep to it, one that is alone has all, a dead one gives its places back',
  async () => {
    remoteSink = await startChild(process.execPath, [sinkProgram], { DELAY_MS: '40' }, 'port');
    const env = { REDIS_URL: redisUrl! };
    const api = await start({ ...env, ROLES: 'api,planner' });
    await webhook(api, 'narrow', { concurrency: CONCURRENCY });
    const senders = await Promise.all([1, 2, 3].map(() => start({ ...env, ROLES: 'sender' })));
    await seconds(1.5);
    const id = await sendBatch(api as never, 'narrow', 50_000);
    await seconds(3);
    const count = async () =>
      (await fetch(`http://127.0.0.1:${remoteSink!.first.port}/`)).json() as Promise<{
        requests: number;
        mostAtOnce: number;
      }>;
    const three = await count();
    expect(three.mostAtOnce).toBeLessThanOrEqual(CONCURRENCY);
    expect(three.mostAtOnce).toBeGreaterThanOrEqual(CONCURRENCY - 1);
    for (const sender of senders.slice(1)) sender.signal('SIGKILL');
    // Seats of the dead are kept for 3 s, and they count as alive for 10 s.
    await seconds(12);
    const before = await count();
    await seconds(2);
    const alone = await count();
    expect(alone.mostAtOnce).toBeLessThanOrEqual(CONCURRENCY);
    // 10 places, 40 ms each: 250/s. A third of the places would allow 75/s.
    expect(alone.requests - before.requests).toBeGreaterThan(2 * 125);
    await api.api('POST', `/api/batches/${id}/cancel`);
  },
  60_000,
);

test('"too fast" slows a lane down, counts as no attempt, and every message arrives', async () => {
  let refused = 0;
  sink = await startHttpSink((_request, _received, response) => {
    if (arrivals.length > 100 && refused < 30) {
      refused++;
      response.writeHead(429, { 'retry-after': '1' }).end('slow down');
      return true;
    }
    arrivals.push(performance.now());
    return false;
  });
  const api = await start({});
  await api.api('POST', '/api/providers', { name: 'fast', kind: 'webhook', settings: { url: sink.url } });
  const id = await sendBatch(api as never, 'fast', 1000);
  await expect.poll(() => refused, { timeout: 10_000 }).toBeGreaterThan(0);
  await expect
    .poll(
      async () => {
        await database.pool.query('UPDATE deferrals SET due_at = now() WHERE batch_id = $1', [id]);
        return (await api.api<{ state: string }>('GET', `/api/batches/${id}`)).body.state;
      },
      { timeout: 60_000, interval: 500 },
    )
    .toBe('completed');
  expect(sink.counts().size).toBe(1000);
  const { rows } = await database.pool.query(
    'SELECT max(attempts) AS most FROM messages WHERE batch_id = $1',
    [id],
  );
  expect(rows[0].most).toBe(1);
}, 90_000);
