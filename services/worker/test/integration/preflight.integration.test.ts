import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startWorker, type TestWorker } from '../support/worker.ts';

interface Preflight {
  ok: boolean;
  problems: { severity: string; code: string; message: string }[];
  recipients: {
    total: number;
    willBeSent: number;
    suppressed: number;
    failing: number;
    rejected: Record<string, number>;
  };
  rendering: {
    samples: { subject: string; text: string }[];
    longestSubject: { address: string };
    totalBytes: number;
  };
  etaSeconds: number | null;
}
interface Imported {
  accepted: number;
  duplicates: number;
  updated: number;
  rejected: number;
  repeated: boolean;
}

let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('preflight');
  // Nothing answers there: sender domains are "unknown", never an error.
  worker = await startWorker(database.url, { DNS_SERVERS: '127.0.0.1:9', PREFLIGHT_ABOVE: '3' });
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

async function draft(more: object = {}): Promise<string> {
  const { body, status } = await worker.api<{ id: string }>('POST', '/api/batches', {
    name: 'p',
    provider: 'mock',
    from: 'News <news@example.com>',
    template: { subject: 'Hello {{ name }}', html: '<h1>Hi {{ name }}</h1><p>from {{ city }}</p>' },
    ...more,
  });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.id;
}

const upload = async (id: string, text: string, query = '') =>
  (await worker.api<Imported>('POST', `/api/batches/${id}/recipients${query}`, text)).body;
const preflight = async (id: string) =>
  (await worker.api<Preflight>('POST', `/api/batches/${id}/preflight`)).body;

test('counts every recipient with its reason, shows samples and worst cases, and is required above the threshold', async () => {
  await database.pool.query(
    `INSERT INTO suppressions SELECT id, 'gone@example.com', 'bounced' FROM accounts`,
  );
  const id = await draft();
  const rows = [
    { email: 'a@example.com', name: 'Ann', city: 'Ulm' },
    { email: 'b@example.com', name: 'Bartholomew', city: 'Bonn' },
    { email: 'c@example.com', name: 'Cai' },
    { email: 'gone@example.com', name: 'Gone', city: 'X' },
    { email: 'not an address', name: 'N', city: 'X' },
    { email: 'A@example.com', name: 'Twice', city: 'X' },
  ];
  await upload(id, rows.map((row) => JSON.stringify(row)).join('\n'));
  expect(
    (await worker.api<{ error: { code: string } }>('POST', `/api/batches/${id}/send`)).body.error.code,
  ).toBe('preflight_required');
  const result = await preflight(id);
  expect(result.recipients).toEqual({
    total: 4,
    willBeSent: 2,
    suppressed: 1,
    failing: 1,
    rejected: { duplicate: 1, invalid_address: 1 },
  });
  expect(result.problems).toContainEqual(
    expect.objectContaining({
      severity: 'error',
      code: 'missing_variable',
      message: expect.stringContaining('c@example.com'),
    }),
  );
  expect(result.rendering.samples).toHaveLength(2);
  expect(result.rendering.samples[0]).toMatchObject({
    subject: 'Hello Ann',
    text: expect.stringContaining('Hi Ann'),
  });
  expect(result.rendering.longestSubject.address).toBe('b@example.com');
  expect(result.ok).toBe(false);
  expect((await worker.api('POST', `/api/batches/${id}/send`)).status).toBe(409);
});

test('defaults mend a missing variable; after a preflight that passes the batch may be sent, after a change it may not', async () => {
  const id = await draft({ defaults: { city: 'home', name: 'friend' } });
  await upload(id, 'email,name\na@example.com,Ann\nb@example.com,\nc@example.com,Cai\nd@example.com,Dee\n');
  const result = await preflight(id);
  expect(result).toMatchObject({ ok: true, recipients: { willBeSent: 4 } });
  expect(result.rendering.samples[1]).toMatchObject({
    subject: 'Hello friend',
    text: expect.stringContaining('from home'),
  });
  await upload(id, 'email,name\ne@example.com,Eve\n');
  expect((await worker.api('POST', `/api/batches/${id}/send`)).status).toBe(409);
  expect((await preflight(id)).ok).toBe(true);
  expect((await worker.api('POST', `/api/batches/${id}/send`)).status).toBe(200);
});

test('duplicates by policy, mapped columns, consent, and the same file twice', async () => {
  const file =
    'Mail Address,First Name,OK\na@example.com,One,yes\nA@example.com,Two,yes\nb@example.com,Bo,no\n';
  const query = '?map=address%3DMail%20Address&map=name%3DFirst%20Name&consent=OK';
  const first = await draft();
  expect(await upload(first, file, query)).toMatchObject({
    accepted: 1,
    duplicates: 1,
    rejected: 2,
    repeated: false,
  });
  expect(await upload(first, file, query)).toMatchObject({ accepted: 1, repeated: true });
  const last = await draft();
  expect(await upload(last, file, `${query}&duplicates=last`)).toMatchObject({ accepted: 1, duplicates: 1 });
  expect(
    (await database.pool.query('SELECT vars FROM messages WHERE batch_id = $1', [last])).rows[0].vars,
  ).toMatchObject({ name: 'Two' });
  expect(await upload(last, 'email,name\na@example.com,Three\n', '?duplicates=last')).toMatchObject({
    accepted: 0,
    updated: 1,
  });
  expect(
    (await database.pool.query('SELECT vars FROM messages WHERE batch_id = $1', [last])).rows,
  ).toMatchObject([{ vars: { name: 'Three' } }]);
  const all = await draft();
  expect(await upload(all, file, `${query}&duplicates=all`)).toMatchObject({ accepted: 2, duplicates: 0 });
  expect(await upload(all, file, `${query}&duplicates=all`)).toMatchObject({ accepted: 2, repeated: true });
  const { body } = await worker.api<{ error: { code: string; message: string } }>(
    'POST',
    `/api/batches/${all}/recipients?consent=Nope`,
    'email\nx@example.com\n',
  );
  expect(body.error.code).toBe('recipients_no_such_column');
  expect(body.error.message).toContain('"Nope"');
});

test('what cannot be content is refused, named, and leaves nothing', async () => {
  const refused = async (more: object) =>
    (
      await worker.api<{ error: { code: string; field?: string } }>('POST', '/api/batches', {
        name: 'x',
        provider: 'mock',
        from: 'a@example.com',
        template: { text: 'x' },
        ...more,
      })
    ).body.error;
  expect(await refused({ template: { text: 'x', headers: { Subject: 'y' } } })).toMatchObject({
    code: 'header_invalid',
    field: 'template.headers.Subject',
  });
  expect(await refused({ unsubscribe: true })).toMatchObject({
    code: 'public_url_missing',
    field: 'unsubscribe',
  });
  expect(
    await refused({ template: { mjml: '<mjml><mj-body><mj-txt>x</mj-txt></mj-body></mjml>' } }),
  ).toMatchObject({ code: 'template_invalid' });
  expect(await refused({ attachments: [{ filename: 'a/b', content: 'AAAA' }] })).toMatchObject({
    code: 'request_invalid',
  });
  const big = Buffer.alloc(11 * 1024 * 1024).toString('base64');
  expect(await refused({ attachments: [{ filename: 'a', content: big }] })).toMatchObject({
    code: 'attachments_too_large',
  });
});

test('a draft can be removed, nothing else', async () => {
  const id = await draft();
  await upload(id, 'email,name,city\na@example.com,A,B\n');
  expect((await worker.api('DELETE', `/api/batches/${id}`)).status).toBe(204);
  expect((await worker.api('GET', `/api/batches/${id}`)).status).toBe(404);
});
