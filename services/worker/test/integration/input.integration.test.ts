import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { csv, startWorker, TEMPLATE, type TestWorker } from '../support/worker.ts';

let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('input');
  worker = await startWorker(database.url, { ROLES: 'api' });
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

interface ErrorBody {
  error: { code: string; message: string; fix?: string; field?: string; details?: unknown };
}

const batch = (more: object = {}) => ({
  name: 'test',
  provider: 'mock',
  from: 'news@example.com',
  template: TEMPLATE,
  ...more,
});

async function draft(): Promise<string> {
  return (await worker.api<{ id: string }>('POST', '/api/batches', batch())).body.id;
}

async function rows(table: string): Promise<number> {
  return (await database.pool.query(`SELECT count(*)::int AS count FROM ${table}`)).rows[0].count;
}

const refusals: [string, object, number, string, string | undefined][] = [
  ['an unknown provider', batch({ provider: 'nowhere' }), 422, 'provider_unknown', 'provider'],
  [
    'a template that does not parse',
    batch({ template: { text: 'Hi\n{{ name' } }),
    422,
    'template_invalid',
    'template.text',
  ],
  ['a template without content', batch({ template: { subject: 'x' } }), 400, 'request_invalid', 'template'],
  ['an unknown option', batch({ colour: 'red' }), 400, 'request_invalid', ''],
  ['a missing sender', batch({ from: undefined }), 422, 'sender_required', 'from'],
  [
    'a sender that is no address',
    batch({ from: 'news@example.com\r\nBcc: x@example.com' }),
    422,
    'sender_invalid',
    'from',
  ],
  ['an unknown time zone', batch({ timezone: 'Mars/Olympus' }), 422, 'timezone_unknown', 'timezone'],
  [
    'a time that is none',
    batch({ scheduledAt: '2026-02-30T09:00:00' }),
    422,
    'schedule_invalid',
    'scheduledAt',
  ],
  [
    'quiet hours that are none',
    batch({ quietHours: { start: '25:00', end: '08:00' } }),
    400,
    'request_invalid',
    'quietHours.start',
  ],
  ['no recipients', batch({ recipients: [] }), 400, 'request_invalid', 'recipients'],
  [
    'recipients of which none can be used',
    batch({ recipients: [{ address: 'nobody' }] }),
    422,
    'recipients_none_accepted',
    undefined,
  ],
  [
    'more than 10,000 inline recipients',
    batch({ recipients: Array.from({ length: 10_001 }, (_, i) => ({ address: `u${i}@example.com` })) }),
    400,
    'request_invalid',
    'recipients',
  ],
];

test.each(refusals)('%s is refused and nothing is left behind', async (_name, body, status, code, field) => {
  const before = await rows('batches');
  const answer = await worker.api<ErrorBody>('POST', '/api/batches', body);
  expect(answer.status).toBe(status);
  expect(answer.body.error).toMatchObject({ code, ...(field === undefined ? {} : { field }) });
  expect(await rows('batches')).toBe(before);
  expect(await rows('messages')).toBe(0);
});

test('a template error names part, line and column', async () => {
  const { body } = await worker.api<ErrorBody>(
    'POST',
    '/api/batches',
    batch({ template: { html: '<p>\n  {% if x %}', text: '{{ a | shout }}' } }),
  );
  expect(body.error.details).toMatchObject([
    { part: 'html', code: 'syntax_error', line: 2, column: 3 },
    { part: 'text', code: 'unknown_filter', line: 1 },
  ]);
});

test('a body over 16 MiB is refused with 413', async () => {
  const answer = await worker.api<ErrorBody>(
    'POST',
    '/api/batches',
    batch({ template: { text: 'x'.repeat(17 * 1024 * 1024) } }),
  );
  expect(answer.status).toBe(413);
  expect(answer.body.error).toMatchObject({
    code: 'body_too_large',
    fix: expect.stringContaining('recipients'),
  });
});

test('broken JSON is refused with a stable code', async () => {
  const answer = await worker.api<ErrorBody>('POST', '/api/batches', '{"name":', {
    'content-type': 'application/json',
  });
  expect(answer).toMatchObject({ status: 400, body: { error: { code: 'json_invalid' } } });
});

test('a file without an address column, an empty one and a binary one are refused whole', async () => {
  const id = await draft();
  const upload = (body: string | Uint8Array) =>
    worker.api<ErrorBody>('POST', `/api/batches/${id}/recipients`, body);
  expect(await upload('name,city\nAnn,Bonn\n')).toMatchObject({
    status: 422,
    body: {
      error: { code: 'recipients_no_address_column', message: expect.stringContaining('"name", "city"') },
    },
  });
  expect(await upload('')).toMatchObject({ status: 422, body: { error: { code: 'recipients_empty_file' } } });
  expect(await upload('email,name\n')).toMatchObject({
    status: 422,
    body: { error: { code: 'recipients_no_rows' } },
  });
  expect(await upload(Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256))).toMatchObject({
    status: 422,
    body: { error: { code: 'recipients_bad_encoding' } },
  });
  expect(await rows('messages')).toBe(0);
});

test('bad rows are reported with row, column and reason, and can be fetched as CSV', async () => {
  const id = await draft();
  const { body } = await worker.api<{
    id: string;
    accepted: number;
    rejected: number;
    firstRejected: unknown[];
  }>(
    'POST',
    `/api/batches/${id}/recipients`,
    'email;name\na@example.com;Ann\nnobody;Bo\nA@example.com;Again\n;Nobody\n',
  );
  expect(body).toMatchObject({ accepted: 1, rejected: 3, duplicates: 1, delimiter: ';' });
  expect(body.firstRejected).toMatchObject([
    { row: 3, column: 'address', reason: 'invalid_address' },
    { row: 4, column: 'address', reason: 'duplicate' },
    { row: 5, column: 'address', reason: 'missing_address' },
  ]);
  const file = await worker.api<string>('GET', `/api/batches/${id}/imports/${body.id}/rejects`);
  expect(String(file.body).split('\r\n')[0]).toBe('row,column,reason,text');
  expect(String(file.body)).toContain('4,"address",duplicate,');
});

test('the same file twice adds nobody the second time', async () => {
  const id = await draft();
  await worker.api('POST', `/api/batches/${id}/recipients`, csv(700));
  const again = await worker.api<{ accepted: number; duplicates: number }>(
    'POST',
    `/api/batches/${id}/recipients`,
    csv(705),
  );
  expect(again.body).toMatchObject({ accepted: 5, duplicates: 700 });
  const { body } = await worker.api<{ total: number; counts: { queued: number } }>(
    'GET',
    `/api/batches/${id}`,
  );
  expect(body).toMatchObject({ total: 705, counts: { queued: 705 } });
});

test('NDJSON, a JSON array and gzip are understood by their content', async () => {
  for (const file of [
    '{"email":"a@example.com","name":"Ann"}\n{"email":"b@example.com"}',
    '[{"email":"a@example.com","tags":["x",{"y":"]"}]},\n {"email":"b@example.com"}]',
    gzipSync(csv(2)),
  ]) {
    const id = await draft();
    expect(
      (await worker.api<{ accepted: number }>('POST', `/api/batches/${id}/recipients`, file)).body.accepted,
    ).toBe(2);
  }
});

test('an upload that breaks off leaves nothing behind', async () => {
  const id = await draft();
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(csv(2000)));
    },
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      controller.error(new Error('the client went away'));
    },
  });
  await expect(worker.api('POST', `/api/batches/${id}/recipients`, body)).rejects.toThrow();
  await expect
    .poll(async () => (await worker.api<{ total: number }>('GET', `/api/batches/${id}`)).body.total, {
      timeout: 5000,
    })
    .toBe(0);
  expect(
    (await database.pool.query('SELECT count(*)::int AS count FROM messages WHERE batch_id = $1', [id]))
      .rows[0].count,
  ).toBe(0);
  expect((await worker.api('POST', `/api/batches/${id}/recipients`, csv(3))).status).toBe(200);
});

test('wrong provider settings name the setting', async () => {
  const answer = await worker.api<ErrorBody>('POST', '/api/providers', {
    name: 'x',
    kind: 'smtp',
    settings: { host: 'h', prot: 25 },
  });
  expect(answer).toMatchObject({ status: 422, body: { error: { code: 'provider_settings_invalid' } } });
  expect(answer.body.error.message).toContain('prot');
  expect(
    (await worker.api<ErrorBody>('POST', '/api/providers', { name: 'x', kind: 'pigeon' })).body.error,
  ).toMatchObject({ code: 'provider_kind_unknown', field: 'kind', fix: expect.stringContaining('smtp') });
  expect(
    (await worker.api<ErrorBody>('POST', '/api/providers', { name: 'mock', kind: 'mock' })).body.error.code,
  ).toBe('provider_exists');
});

test('lists are paged by key', async () => {
  const id = await draft();
  await worker.api('POST', `/api/batches/${id}/recipients`, csv(120));
  const seen: number[] = [];
  let cursor: string | null = null;
  do {
    const page: { body: { items: { n: number }[]; next: string | null } } = await worker.api(
      'GET',
      `/api/batches/${id}/messages?limit=50${cursor ? `&cursor=${cursor}` : ''}`,
    );
    seen.push(...page.body.items.map((one) => one.n));
    cursor = page.body.next;
  } while (cursor);
  expect(seen).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
  expect((await worker.api<ErrorBody>('GET', `/api/batches/${id}/messages?cursor=x`)).body.error.code).toBe(
    'cursor_invalid',
  );
});
