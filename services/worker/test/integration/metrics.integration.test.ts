import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signWebhook } from '../../src/domain/webhook-signature.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { sendBatch, startWorker, type TestWorker, waitForState } from '../support/worker.ts';

const SECRET = `whsec_${randomBytes(24).toString('base64')}`;
let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('metrics');
  worker = await startWorker(database.url, { RETRY_BASE_MS: '10' });
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

/** Value of the series with all these labels; the sum when there are several; null when there is none. */
async function metric(name: string, labels: Record<string, string> = {}): Promise<number | null> {
  const text = await (await fetch(`${worker.url}/api/metrics`)).text();
  const found = text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .map((line) => Number(line.split(' ').at(-1)));
  return found.length ? found.reduce((a, b) => a + b, 0) : null;
}

const addMock = (name: string, settings: object, limits: object = {}) =>
  worker.api('POST', '/api/providers', { name, kind: 'mock', settings, limits });

test('outcomes, hand-overs and retries are counted by provider, and no key is needed to read them', async () => {
  await addMock('flaky', { failureRate: 0.3, deferRate: 0.3, latencyMs: 2 });
  const id = await sendBatch(worker, 'flaky', 300);
  const { counts } = await waitForState(worker, id, 'completed');
  const settled = (state: string) =>
    metric('batchsender_messages_total', { provider: 'flaky', channel: 'email', state });
  expect(await settled('sent')).toBe(counts.sent);
  expect(await settled('failed')).toBe(counts.failed);
  const retries = (await settled('deferred'))!;
  expect(retries).toBeGreaterThan(0);
  expect(await metric('batchsender_retries_total', { provider: 'flaky', class: 'temporary' })).toBe(retries);
  // Every hand-over was either settled for good or deferred.
  expect(await metric('batchsender_send_duration_seconds_count', { provider: 'flaky' })).toBe(300 + retries);
  expect(
    await metric('batchsender_send_duration_seconds_bucket', { provider: 'flaky', le: '0.001' }),
  ).toBeLessThan(300);
});

test('a limited lane tells its limit, what it may do now, and what it does', async () => {
  await addMock('slow', {}, { perSecond: 20 });
  const id = await sendBatch(worker, 'slow', 80);
  await expect
    .poll(() => metric('batchsender_rate_actual_per_second', { provider: 'slow' }), { timeout: 10_000 })
    .toBeGreaterThan(5);
  expect(await metric('batchsender_rate_target_per_second', { provider: 'slow' })).toBe(20);
  expect(await metric('batchsender_rate_allowed_per_second', { provider: 'slow' })).toBe(20);
  await waitForState(worker, id, 'completed');
});

test('queue, oldest chunk and paused provider are those of the database, for a batch that waits', async () => {
  await addMock('waiting', {}, { perDay: 1 });
  const id = await sendBatch(worker, 'waiting', 1200);
  const queued = () => metric('batchsender_queue_messages', { provider: 'waiting' });
  await expect.poll(queued, { timeout: 15_000, interval: 1000 }).toBeGreaterThanOrEqual(1199);
  expect(await metric('batchsender_batches', { state: 'sending' })).toBeGreaterThanOrEqual(1);
  expect(await metric('batchsender_leases')).toBeGreaterThan(0);
  expect(await metric('batchsender_batch_stalled_seconds', { batch: id })).not.toBeNull();
  expect(await metric('batchsender_provider_paused', { provider: 'waiting' })).toBe(0);
  await database.pool.query(`UPDATE providers SET state = 'paused' WHERE name = 'waiting'`);
  await expect
    .poll(() => metric('batchsender_provider_paused', { provider: 'waiting' }), {
      timeout: 15_000,
      interval: 1000,
    })
    .toBe(1);
  await worker.api('POST', `/api/batches/${id}/cancel`);
});

test('provider events are counted as they come in, and those that match nothing', async () => {
  const { body } = await worker.api<{ id: string }>('POST', '/api/providers', {
    name: 'hook',
    kind: 'webhook',
    settings: { url: 'http://127.0.0.1:9', eventSecret: SECRET },
  });
  const batch = await sendBatch(worker, 'mock', 3);
  await waitForState(worker, batch, 'completed');
  const events = [
    { id: `${batch}.1`, type: 'delivered' },
    { id: `${batch}.999`, type: 'bounced' },
    { id: 'not one of ours', type: 'bounced' },
  ];
  const text = JSON.stringify(events);
  const timestamp = String(Math.floor(Date.now() / 1000));
  const response = await fetch(`${worker.url}/webhooks/${body.id}`, {
    method: 'POST',
    body: text,
    headers: {
      'content-type': 'application/json',
      'webhook-id': 'e',
      'webhook-timestamp': timestamp,
      'webhook-signature': signWebhook(SECRET, 'e', timestamp, text),
    },
  });
  expect(response.status).toBe(200);
  expect(await metric('batchsender_provider_events_total', { type: 'bounced' })).toBe(2);
  expect(await metric('batchsender_provider_events_total', { type: 'delivered' })).toBe(1);
  await expect.poll(() => metric('batchsender_provider_events_unmatched_total'), { timeout: 10_000 }).toBe(2);
  const { rows } = await database.pool.query<{ events_seen_at: Date | null }>(
    `SELECT events_seen_at FROM providers WHERE name = 'hook'`,
  );
  expect(rows[0]!.events_seen_at).toBeInstanceOf(Date);
});

test('requests are timed by route, never by path', async () => {
  await worker.api('GET', '/api/batches/00000000-0000-7000-8000-000000000000');
  const route = { route: '/api/batches/:id', status: '404' };
  expect(await metric('batchsender_http_request_duration_seconds_count', route)).toBe(1);
});

test('a dependency that is optional and away: degraded, still 200, with the reason', async () => {
  const degraded = await startWorker(database.url, { REDIS_URL: 'redis://127.0.0.1:9' });
  try {
    const response = await fetch(`${degraded.url}/health/ready`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'degraded',
      dependencies: { postgres: 'ok', dragonfly: expect.stringMatching(/.+/) },
    });
    const metrics = await (await fetch(`${degraded.url}/api/metrics`)).text();
    expect(metrics).toContain('batchsender_dependency_up{dependency="dragonfly"} 0');
    expect(metrics).toContain('batchsender_dependency_up{dependency="postgres"} 1');
  } finally {
    await degraded.stop();
  }
});
