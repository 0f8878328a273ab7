import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOtherAccount, OTHER_KEY } from '../support/account.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { sendBatch, startWorker, type TestWorker, waitForState } from '../support/worker.ts';

interface Explanation {
  kind: string;
  summary: string;
  waitsFor: string | null;
  advice: string[];
  timeline: { at: string; text: string }[];
  error?: { code: string };
}

let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('explain');
  worker = await startWorker(database.url, { RETRY_BASE_MS: '10' });
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

const explain = async (id: string, headers: Record<string, string> = {}) =>
  (await worker.api<Explanation>('GET', `/api/explanations/${id}`, undefined, headers)).body;

test('a finished batch with failures: their reason and what to do; a failed message of it, by its own words', async () => {
  await worker.api('POST', '/api/providers', { name: 'bad', kind: 'mock', settings: { failureRate: 1 } });
  const id = await sendBatch(worker, 'bad', 5);
  await waitForState(worker, id, 'completed');
  const batch = await explain(id);
  expect(batch.summary).toContain('All 5 messages have an outcome: 5 failed');
  expect(batch.advice[0]).toContain('5 × mock_failure');
  const message = await explain(`${id}.3`);
  expect(message).toMatchObject({ kind: 'message', waitsFor: null });
  expect(message.summary).toContain('user3@example.com failed for good (mock_failure');
});

test('a message that was deferred and then sent has both in its timeline', async () => {
  await worker.api('POST', '/api/providers', { name: 'later', kind: 'mock', settings: { deferRate: 0.4 } });
  const id = await sendBatch(worker, 'later', 10);
  await waitForState(worker, id, 'completed', 60_000);
  const { rows } = await database.pool.query<{ n: number }>(
    `SELECT n FROM messages WHERE batch_id = $1 AND attempts > 1 AND state = 3 LIMIT 1`,
    [id],
  );
  const { timeline } = await explain(`${id}.${rows[0]!.n}`);
  const said = timeline.map(({ text }) => text).join('\n');
  expect(said).toContain('deferred: mock_deferral');
  expect(timeline.at(-1)!.text).toBe('sent');
});

test('a batch that waits says for what: a paused provider, or nobody to send it', async () => {
  await worker.api('POST', '/api/providers', { name: 'held', kind: 'mock', limits: { perDay: 1 } });
  const id = await sendBatch(worker, 'held', 10);
  await expect.poll(async () => (await explain(id)).waitsFor, { timeout: 10_000 }).toContain('1/day');
  await database.pool.query(
    `UPDATE providers SET state = 'paused', pause_reason = '535 refused' WHERE name = 'held'`,
  );
  expect((await explain(id)).waitsFor).toBe('its provider held, which is paused: 535 refused');
  await worker.api('POST', `/api/batches/${id}/cancel`);
  const draft = await worker.api<{ id: string }>('POST', '/api/batches', {
    name: 'draft',
    provider: 'mock',
    from: 'a@example.com',
    template: { text: 'x y' },
    recipients: [{ address: 'ann@example.com' }],
  });
  expect((await explain(draft.body.id)).waitsFor).toBe('somebody to send it');
});

test('what belongs to another account, or does not exist, is not found', async () => {
  const id = await sendBatch(worker, 'mock', 2);
  await createOtherAccount(database.pool);
  const stranger = { authorization: `Bearer ${OTHER_KEY}` };
  expect((await explain(id, stranger)).error!.code).toBe('batch_not_found');
  expect((await explain(`${id}.1`, stranger)).error!.code).toBe('batch_not_found');
  expect((await explain(`${id}.99`)).error!.code).toBe('message_not_found');
  expect((await explain('nonsense')).error!.code).toBe('batch_not_found');
});
