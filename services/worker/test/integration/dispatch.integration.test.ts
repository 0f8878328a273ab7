import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type HttpSink, startHttpSink } from '../support/http-sink.ts';
import { sendBatch, startWorker, type TestWorker, waitForState } from '../support/worker.ts';

const natsUrl = inject('natsUrl');
const dispatchers: [string, Record<string, string> | null][] = [
  ['PostgreSQL', {}],
  ['NATS JetStream', natsUrl ? { NATS_URL: natsUrl } : null],
];

/** One suite for every dispatcher: a hint may be lost or doubled, the guarantee is the same. */
describe.each(dispatchers.filter(([, env]) => env !== null))('dispatch through %s', (name, env) => {
  let database: TestDatabase;
  const workers: TestWorker[] = [];
  let sink: HttpSink;
  beforeAll(async () => {
    database = await createDatabase(name.includes('NATS') ? 'nats' : 'pg');
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await sink?.close();
  });
  afterAll(() => database?.drop());

  async function start(roles: string): Promise<TestWorker> {
    const worker = await startWorker(database.url, { ...env!, ROLES: roles, LEASE_MS: '3000' });
    workers.push(worker);
    return worker;
  }

  async function hook(worker: TestWorker, limits: object = {}): Promise<string> {
    sink = await startHttpSink();
    const provider = `hook-${Date.now()}`;
    await worker.api('POST', '/api/providers', {
      name: provider,
      kind: 'webhook',
      settings: { url: sink.url },
      limits,
    });
    return provider;
  }

  test('an idle sender hears of a new batch at once', async () => {
    const api = await start('api,planner,sender');
    const provider = await hook(api);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const began = performance.now();
    await waitForState(api, await sendBatch(api, provider, 10), 'completed');
    expect(performance.now() - began).toBeLessThan(2500);
    expect(sink.counts().size).toBe(10);
  });

  test('several senders share a batch and nobody is sent to twice', async () => {
    const api = await start('api,planner');
    const provider = await hook(api);
    await Promise.all([start('sender'), start('sender'), start('sender')]);
    const batch = await waitForState(api, await sendBatch(api, provider, 12_000), 'completed');
    expect(batch.counts.sent).toBe(12_000);
    expect(sink.received.length).toBe(12_000);
    expect(sink.counts().size).toBe(12_000);
  });

  test('a batch on another provider does not wait behind a large one', async () => {
    const api = await start('api,planner,sender');
    const slow = await hook(api, { perSecond: 200 });
    const first = sink;
    const large = await sendBatch(api, slow, 5000);
    const quick = await hook(api);
    const began = performance.now();
    const small = await waitForState(api, await sendBatch(api, quick, 100), 'completed');
    expect(small.counts.sent).toBe(100);
    expect(performance.now() - began).toBeLessThan(5000);
    expect((await waitForState(api, large, 'sending')).counts.sent).toBeLessThan(5000);
    await api.api('POST', `/api/batches/${large}/cancel`);
    await first.close();
  });

  test.runIf(name.includes('NATS'))(
    'losing all that NATS stored in the middle of a batch loses nothing',
    async () => {
      const api = await start('api,planner,sender');
      const provider = await hook(api, { perSecond: 2000 });
      const id = await sendBatch(api, provider, 4000);
      await expect.poll(() => sink.received.length, { timeout: 10_000 }).toBeGreaterThan(500);
      const connection = await connect({ servers: natsUrl! });
      const manager = await jetstreamManager(connection);
      await manager.streams.delete('BATCHSENDER_CHUNKS');
      const batch = await waitForState(api, id, 'completed');
      await connection.close();
      expect(batch.counts.sent).toBe(4000);
      expect(sink.received.length).toBe(4000);
      // What comes next is dispatched as before.
      await waitForState(api, await sendBatch(api, provider, 10), 'completed');
    },
  );
});
