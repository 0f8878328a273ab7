import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createClickHouse, migrateClickHouse } from '../../src/adapters/clickhouse/events.ts';
import { inspect } from '../../src/adapters/postgres/inspection.ts';
import { MIGRATIONS_DIR } from '../../src/adapters/postgres/migrate.ts';
import { createPool } from '../../src/adapters/postgres/pool.ts';
import { SecretBox } from '../../src/adapters/postgres/secret-box.ts';
import { PostgresSystemFacts } from '../../src/adapters/postgres/system-facts.ts';
import { signWebhook } from '../../src/domain/webhook-signature.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { readsOf, StatementRecorder } from '../support/query-plans.ts';
import {
  csv,
  seedAccount,
  sendBatch,
  startWorker,
  TEMPLATE,
  type TestWorker,
  waitForState,
} from '../support/worker.ts';

/** Messages in the batch that everything is asked about. */
const MILLION = 1_000_000;
/** A table of fewer rows is read whole, and rightly so. */
const SMALL_TABLE = 5000;
/** What a page, a window of 1,000 and its chunk need; a plan that expects more rows of a big table reads too much. */
const MOST_ROWS = 20_000;
const SECRET = `whsec_${randomBytes(24).toString('base64')}`;
const SECRET_KEY = 'ab'.repeat(32);

let database: TestDatabase;
let worker: TestWorker;
let big: string;
beforeAll(async () => {
  database = await createDatabase('plans');
  big = await fill();
  const events = createClickHouse(inject('clickhouseUrl'));
  await migrateClickHouse(events, `${MIGRATIONS_DIR}/clickhouse`);
  await events.close();
  worker = await startWorker(database.url, {
    CLICKHOUSE_URL: inject('clickhouseUrl'),
    SECRET_KEY,
    RETRY_BASE_MS: '10',
  });
}, 180_000);
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

/** A million messages in one batch that is being sent, 30,000 in 300 others, and as much of all else. */
async function fill(): Promise<string> {
  const accountId = await seedAccount(database.url, SECRET_KEY);
  const { pool } = database;
  await pool.query(
    `INSERT INTO providers (id, account_id, name, kind, settings, state, pause_reason)
     VALUES (gen_random_uuid(), $1, 'slow', 'mock', '{}', 'paused', 'test')`,
    [accountId],
  );
  const batch = `
    INSERT INTO batches (id, account_id, name, channel, provider_id, template, state, total, next_chunk, started_at)
    SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - i), 12, '0') || '70008000' || lpad(i::text, 12, '0'))::uuid,
      $1, 'b' || i, 'email', (SELECT id FROM providers WHERE name = 'slow'), $2, $3, $4::int, $4::int / 500 + 1, now()
    FROM generate_series($5::int, $6::int) i RETURNING id`;
  const { rows } = await pool.query(batch, [accountId, TEMPLATE, 'sending', MILLION, 1, 1]);
  await pool.query(batch, [accountId, TEMPLATE, 'completed', 100, 2, 301]);
  await pool.query(`
    INSERT INTO messages (batch_id, n, state, attempts, address, vars)
    SELECT b.id, n, CASE b.state WHEN 'completed' THEN 3 ELSE 0 END, 1, 'user' || n || '@example.com', '{"name":"x"}'
    FROM batches b, generate_series(1, b.total) n`);
  await pool.query(`
    INSERT INTO chunks (batch_id, no, account_id, lane, first_n, last_n, state, queued, sent)
    SELECT b.id, no, b.account_id, b.provider_id, (no - 1) * 500 + 1, least(no * 500, b.total),
      CASE b.state WHEN 'completed' THEN 'done' ELSE 'ready' END,
      CASE b.state WHEN 'completed' THEN 0 ELSE 500 END, CASE b.state WHEN 'completed' THEN 100 ELSE 0 END
    FROM batches b, generate_series(1, greatest(1, b.total / 500)) no`);
  const [{ id }] = rows;
  for (const sql of [
    `INSERT INTO suppressions SELECT '${accountId}', 'gone' || i || '@example.com', 'bounced' FROM generate_series(1, 200000) i`,
    `INSERT INTO attempts SELECT '${id}', i, 1, now(), 'deferred', '450' FROM generate_series(1, 200000) i`,
    `INSERT INTO deferrals SELECT '${id}', i, now() + interval '1 hour' FROM generate_series(1, 100000) i`,
    `INSERT INTO provider_events (event, due_at) SELECT '{}', now() + interval '1 hour' FROM generate_series(1, 50000) i`,
    `INSERT INTO mock_messages (provider_id, message) SELECT p.id, '{}' FROM providers p, generate_series(1, 20000) i`,
    `INSERT INTO imports (id, batch_id, accepted, rejected, duplicates, suppressed, facts)
       SELECT gen_random_uuid(), '${id}', 0, 100, 0, 0, '{}' FROM generate_series(1, 10)`,
    `INSERT INTO import_rejects SELECT i.id, r, 'email', 'invalid_address', 'x' FROM imports i, generate_series(1, 10000) r`,
    `INSERT INTO sessions SELECT sha256(i::text::bytea), (SELECT id FROM users LIMIT 1), now(), now() + interval '1 day'
       FROM generate_series(1, 20000) i`,
    'ANALYZE',
  ])
    await pool.query(sql);
  return id;
}

/** What users, commands, dashboards, Prometheus and the worker's own agents ask. */
async function useEverything(): Promise<void> {
  const { api } = worker;
  const get = async (path: string) => {
    const { status, body } = await api('GET', path);
    expect(status, `${path}: ${JSON.stringify(body)}`).toBeLessThan(300);
    return body as Record<string, never>;
  };
  await api('POST', '/api/providers', {
    name: 'hook',
    kind: 'webhook',
    settings: { url: 'http://127.0.0.1:9', eventSecret: SECRET },
  });
  const { body: provider } = await api<{ id: string }>('POST', '/api/providers', {
    name: 'mock2',
    kind: 'mock',
    settings: { deferRate: 0.2, failureRate: 0.1 },
  });
  const small = await sendBatch(worker, 'mock2', 2000);
  await waitForState(worker, small, 'completed', 60_000);
  await api('POST', `/api/batches/${small}/retry`, { states: ['failed'] });
  for (const id of [big, small]) {
    for (const path of [
      '',
      '/messages',
      '/messages?state=failed',
      '/messages?state=queued',
      '/messages?state=sent',
      '/messages?cursor=999000&limit=100',
    ])
      await get(`/api/batches/${id}${path}`);
    await get(`/api/explanations/${id}`);
    await get(`/api/explanations/${id}.7`);
  }
  const { items } = (await get('/api/batches?limit=100')) as unknown as { items: { id: string }[] };
  await get(`/api/batches?limit=100&cursor=${items.at(-1)!.id}`);
  for (const path of [
    '/api/providers',
    '/api/providers/mock2/messages',
    '/api/queue',
    `/api/analytics/events?batch=${small}`,
    '/health/ready',
    '/api/metrics',
  ])
    await get(path);
  await api('POST', '/api/session', { email: 'test@example.com', password: 'test-password' });
  const draft = await api<{ id: string }>('POST', '/api/batches', {
    name: 'd',
    provider: 'mock2',
    from: 'a@example.com',
    template: TEMPLATE,
  });
  const uploaded = await api<{ id: string }>(
    'POST',
    `/api/batches/${draft.body.id}/recipients`,
    `${csv(3000)}\nnobody,x,1\n`,
  );
  await get(`/api/batches/${draft.body.id}/imports/${uploaded.body.id}/rejects`);
  await api('POST', `/api/batches/${draft.body.id}/preflight`);
  for (const action of ['send', 'pause', 'resume', 'cancel'])
    await api('POST', `/api/batches/${draft.body.id}/${action}`);
  for (const action of ['pause', 'resume']) await api('POST', `/api/batches/${big}/${action}`);
  const events = JSON.stringify([
    { id: `${small}.1`, type: 'delivered' },
    { id: `${small}.2`, type: 'bounced', permanent: true },
  ]);
  const hook = (await get('/api/providers')) as unknown as { items: { id: string; name: string }[] };
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = signWebhook(SECRET, 'e', timestamp, events);
  const posted = await fetch(`${worker.url}/webhooks/${hook.items.find(({ name }) => name === 'hook')!.id}`, {
    method: 'POST',
    body: events,
    headers: {
      'content-type': 'application/json',
      'webhook-id': 'e',
      'webhook-timestamp': timestamp,
      'webhook-signature': signature,
    },
  });
  expect(posted.status).toBe(200);
  await expect
    .poll(async () => (await get(`/api/batches/${small}`)).counts, { timeout: 10_000 })
    .toMatchObject({ bounced: 1 });
  const pool = createPool(database.url, { max: 1, name: 'inspect' }, () => {});
  await inspect(pool, new SecretBox(SECRET_KEY));
  await new PostgresSystemFacts(pool).read();
  await pool.end();
  await api('POST', `/api/providers/${provider.id}/resume`);
  // A round of each of the worker's own agents.
  await new Promise((resolve) => setTimeout(resolve, 6000));
}

test('no statement reads a big table whole, or more of it than it needs', async () => {
  const recorder = new StatementRecorder();
  recorder.start();
  await useEverything().finally(() => recorder.stop());
  const { rows } = await database.pool.query<{ name: string }>(
    'SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND reltuples >= $2',
    ['public', SMALL_TABLE],
  );
  const bigTables = rows.map(({ name }) => name);
  expect(bigTables).toContain('deferrals');
  const faults: string[] = [];
  const explained = new Set<string>();
  for (const statement of recorder.statements.values()) {
    const reads = await readsOf(database.pool, statement);
    if (!reads) continue;
    explained.add(statement.text);
    for (const { how, table, rows } of reads)
      if (bigTables.includes(table) && (how === 'Seq Scan' || rows > MOST_ROWS))
        faults.push(`${how} of ${table}, ${rows} rows: ${statement.text.replaceAll(/\s+/g, ' ')}`);
  }
  expect(explained.size).toBeGreaterThan(90);
  expect([...new Set(faults)]).toEqual([]);
}, 180_000);
