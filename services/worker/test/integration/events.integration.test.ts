import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { signWebhook } from '../../src/domain/webhook-signature.ts';
import { createOtherAccount, OTHER_KEY } from '../support/account.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type HttpSink, startHttpSink } from '../support/http-sink.ts';
import { sendBatch, startWorker, type TestWorker, waitForState } from '../support/worker.ts';

const natsUrl = inject('natsUrl');
const SECRET = `whsec_${randomBytes(24).toString('base64')}`;

describe.each([
  ['PostgreSQL', {}],
  ['NATS JetStream', natsUrl ? { NATS_URL: natsUrl } : null],
] as [string, Record<string, string> | null][])('provider events through %s', (name, env) => {
  if (env === null) return;
  let database: TestDatabase;
  let worker: TestWorker;
  let sink: HttpSink;
  let providerId: string;
  beforeAll(async () => {
    database = await createDatabase(name.startsWith('NATS') ? 'events_nats' : 'events_pg');
    worker = await startWorker(database.url, env);
    sink = await startHttpSink(async () => {
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      return false;
    });
    const { body } = await worker.api<{ id: string }>('POST', '/api/providers', {
      name: 'hook',
      kind: 'webhook',
      settings: { url: sink.url, eventSecret: SECRET },
    });
    providerId = body.id;
  });
  afterAll(async () => {
    await worker?.stop();
    await sink?.close();
    await database?.drop();
  });
  let delayMs = 0;

  async function post(
    events: object,
    options: { secret?: string; at?: number; source?: string } = {},
  ): Promise<{ status: number; body: { error?: { code: string } } }> {
    const body = JSON.stringify(events);
    const timestamp = String(Math.floor((options.at ?? Date.now()) / 1000));
    const response = await fetch(`${worker.url}/webhooks/${options.source ?? providerId}`, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'evt',
        'webhook-timestamp': timestamp,
        'webhook-signature': signWebhook(options.secret ?? SECRET, 'evt', timestamp, body),
      },
    });
    return { status: response.status, body: (await response.json()) as { error?: { code: string } } };
  }

  const counts = async (id: string) => (await waitForState(worker, id, 'completed')).counts;

  test('move messages on, upwards only, once each, and suppress dead addresses', async () => {
    const id = await sendBatch(worker, 'hook', 50);
    await waitForState(worker, id, 'completed');
    const event = (n: number, type: string, more: object = {}) => ({ id: `${id}.${n}`, type, ...more });
    const all = Array.from({ length: 50 }, (_, i) => event(i + 1, 'delivered'));
    expect((await post(all)).status).toBe(200);
    expect((await post(all)).status).toBe(200);
    await expect.poll(() => counts(id), { timeout: 10_000 }).toMatchObject({ sent: 0, delivered: 50 });
    await post([
      event(1, 'bounced', { permanent: true, code: '5.1.1', detail: 'unknown' }),
      event(2, 'complained'),
      event(2, 'delivered'),
    ]);
    await expect
      .poll(() => counts(id), { timeout: 10_000 })
      .toMatchObject({ delivered: 48, bounced: 1, complained: 1 });
    await post([event(1, 'delivered'), event(2, 'bounced')]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await counts(id)).toMatchObject({ delivered: 48, bounced: 1, complained: 1 });
    const bounced = await worker.api<{ items: { n: number; code: string }[] }>(
      'GET',
      `/api/batches/${id}/messages?state=bounced`,
    );
    expect(bounced.body.items).toMatchObject([{ n: 1, code: '5.1.1' }]);
    const { rows } = await database.pool.query('SELECT address FROM suppressions ORDER BY address');
    expect(rows.map((row) => row.address)).toEqual(['user1@example.com', 'user2@example.com']);
    await database.pool.query('DELETE FROM suppressions');
  });

  test('an event that comes before its outcome is written is not lost', async () => {
    delayMs = 1500;
    const id = await sendBatch(worker, 'hook', 5);
    await expect
      .poll(async () => (await waitForState(worker, id, 'sending')).counts.sending, { timeout: 5000 })
      .toBe(5);
    await post([1, 2, 3, 4, 5].map((n) => ({ id: `${id}.${n}`, type: 'delivered' })));
    await waitForState(worker, id, 'completed');
    await expect.poll(() => counts(id), { timeout: 15_000 }).toMatchObject({ delivered: 5, sent: 0 });
    delayMs = 0;
  });

  test('of one account never touch another account, whatever id they name', async () => {
    const id = await sendBatch(worker, 'hook', 5);
    await waitForState(worker, id, 'completed');
    await createOtherAccount(database.pool);
    const other = { authorization: `Bearer ${OTHER_KEY}` };
    const secret = `whsec_${randomBytes(24).toString('base64')}`;
    const settings = { url: sink.url, eventSecret: secret };
    const theirs = await worker.api<{ id: string }>(
      'POST',
      '/api/providers',
      { name: 'theirs', kind: 'webhook', settings },
      other,
    );
    expect(theirs.status).toBe(201);
    const unmatched = async () => {
      const text = await (await fetch(`${worker.url}/api/metrics`)).text();
      return Number(/^batchsender_provider_events_unmatched_total(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? 0);
    };
    const before = await unmatched();
    const events = [1, 2, 3].map((n) => ({ id: `${id}.${n}`, type: 'bounced', permanent: true }));
    expect((await post(events, { secret, source: theirs.body.id })).status).toBe(200);
    await expect.poll(unmatched, { timeout: 10_000 }).toBe(before + 3);
    expect(await counts(id)).toMatchObject({ sent: 5, bounced: 0 });
    expect((await database.pool.query('SELECT address FROM suppressions')).rows).toEqual([]);
    // Its owner's events still count, beside the stranger's in the same round.
    await post(events, { secret, source: theirs.body.id });
    await post([{ id: `${id}.1`, type: 'delivered' }]);
    await expect
      .poll(() => counts(id), { timeout: 10_000 })
      .toMatchObject({ sent: 4, delivered: 1, bounced: 0 });
  });

  test('are refused without the right, fresh signature', async () => {
    const one = { id: '0199a000-0000-7000-8000-000000000000.1', type: 'delivered' };
    expect(await post(one, { secret: `whsec_${randomBytes(24).toString('base64')}` })).toMatchObject({
      status: 401,
      body: { error: { code: 'webhook_bad_signature' } },
    });
    expect(await post(one, { at: Date.now() - 3_600_000 })).toMatchObject({
      status: 401,
      body: { error: { code: 'webhook_stale' } },
    });
    expect(await post({ id: 1 })).toMatchObject({
      status: 400,
      body: { error: { code: 'webhook_invalid' } },
    });
    expect(await post(one, { source: 'elsewhere' })).toMatchObject({ status: 404 });
    expect((await post([one, { id: 'not ours', type: 'delivered' }])).status).toBe(200);
  });
});
