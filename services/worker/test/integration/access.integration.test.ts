import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApiDocument } from '../../src/openapi.ts';
import { createOtherAccount, OTHER_KEY } from '../support/account.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startWorker, type TestWorker } from '../support/worker.ts';

let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('access');
  worker = await startWorker(database.url);
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

const PUBLIC = ['GET /health', 'GET /health/ready', 'GET /api/metrics', 'POST /api/session'];

async function status(method: string, path: string): Promise<number> {
  const response = await fetch(worker.url + path, { method, redirect: 'manual' });
  await response.text();
  return response.status;
}

test('every route of the table but the public ones answers 401 without a key', async () => {
  const { paths } = (await openApiDocument()) as {
    paths: Record<string, Record<string, { security?: unknown[] }>>;
  };
  let walked = 0;
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const name = `${method.toUpperCase()} ${path}`;
      const isPublic = PUBLIC.includes(name);
      expect(operation.security?.length === 0, `${name} is declared public`).toBe(isPublic);
      const concrete = path.replaceAll(/\{[^}]+\}/g, '0199a000-0000-7000-8000-000000000000');
      if (!isPublic) expect(await status(method.toUpperCase(), concrete), name).toBe(401);
      walked++;
    }
  }
  expect(walked).toBeGreaterThan(20);
});

test('no other spelling of a path gets past the key', async () => {
  const spellings = [
    '/api/batches?x=/health',
    '/api/batches?/api/metrics',
    '/api/batches/',
    '//api/batches',
    '/api//batches',
    '/API/batches',
    '/api/Batches',
    '/api/%62atches',
    '/api/batches%2F',
    '/api/batches;/health',
    '/api/metrics/../batches',
    '/health/../api/batches',
    '/health/..%2fapi/batches',
    '/webhooks/../api/batches',
    '/webhooks-x',
    '/webhooks',
    '/api/batches%00',
    '/api/metrics/x',
    '/health/x',
    '/api/queue#/health',
    '/unknown',
    '/',
  ];
  for (const spelling of spellings)
    expect(await rawStatus(spelling), spelling).toSatisfy(
      (code: number) => code === 401 || code === 400 || code === 404,
    );
  for (const spelling of spellings.filter((one) => one.includes('batches')))
    expect(await rawStatus(spelling), spelling).not.toBe(200);
});

/** The path exactly as written; fetch would normalise it. */
async function rawStatus(path: string): Promise<number> {
  const { connect } = await import('node:net');
  const { hostname, port } = new URL(worker.url!);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('end', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])));
    socket.on('error', reject);
  });
}

test('unknown paths answer 401 without a key and 404 with one', async () => {
  expect(await status('GET', '/api/nothing')).toBe(401);
  expect((await worker.api('GET', '/api/nothing')).status).toBe(404);
});

test('a wrong key, and a revoked one, are refused with a stable code', async () => {
  const wrong = await worker.api<{ error: { code: string; fix: string } }>('GET', '/api/batches', undefined, {
    authorization: 'Bearer wrong',
  });
  expect(wrong.status).toBe(401);
  expect(wrong.body.error).toMatchObject({ code: 'unauthorized', fix: expect.any(String) });
  await database.pool.query('UPDATE api_keys SET revoked_at = now()');
  expect((await worker.api('GET', '/api/batches')).status).toBe(401);
  await database.pool.query('UPDATE api_keys SET revoked_at = NULL');
});

test('a session cookie is HttpOnly and SameSite=Lax, works, and ends with the logout', async () => {
  const login = await fetch(`${worker.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'test@example.com', password: 'test123' }),
  });
  const cookie = login.headers.get('set-cookie')!;
  expect(cookie).toMatch(/HttpOnly/i);
  expect(cookie).toMatch(/SameSite=Lax/i);
  const headers = { cookie: cookie.split(';')[0]! };
  expect((await fetch(`${worker.url}/api/batches`, { headers })).status).toBe(200);
  await fetch(`${worker.url}/api/session`, { method: 'DELETE', headers });
  expect((await fetch(`${worker.url}/api/batches`, { headers })).status).toBe(401);
  const stored = await database.pool.query('SELECT count(*)::int AS count FROM sessions');
  expect(stored.rows[0].count).toBe(0);
});

test('neither keys, passwords, session tokens nor provider secrets are stored in clear', async () => {
  await worker.api('POST', '/api/providers', {
    name: 'secret',
    kind: 'webhook',
    settings: { url: 'http://127.0.0.1:9/', authorization: 'Bearer very-secret' },
  });
  const shown = await worker.api<{ settings: Record<string, string> }>('GET', '/api/providers/secret');
  expect(shown.body.settings.authorization).toBe('***');
  const dump = await database.pool.query(
    `SELECT to_jsonb(p)::text || coalesce(encode(secrets, 'escape'), '') AS row FROM providers p UNION ALL SELECT to_jsonb(k)::text FROM api_keys k UNION ALL SELECT to_jsonb(u)::text FROM users u`,
  );
  const text = dump.rows.map((row) => row.row).join('\n');
  for (const secret of ['very-secret', 'test-api-key', 'test123']) expect(text).not.toContain(secret);
});

test('another account sees nothing of ours', async () => {
  await createOtherAccount(database.pool);
  const mine = await worker.api<{ id: string }>('POST', '/api/batches', {
    name: 'mine',
    provider: 'mock',
    from: 'a@example.com',
    template: { text: 'x' },
    recipients: [{ address: 'b@example.com' }],
  });
  const other = { authorization: `Bearer ${OTHER_KEY}` };
  for (const path of ['', '/messages'])
    expect((await worker.api('GET', `/api/batches/${mine.body.id}${path}`, undefined, other)).status).toBe(
      404,
    );
  for (const action of ['send', 'pause', 'resume', 'cancel'])
    expect(
      (await worker.api('POST', `/api/batches/${mine.body.id}/${action}`, undefined, other)).status,
    ).toBe(404);
  expect(
    (await worker.api('POST', `/api/batches/${mine.body.id}/recipients`, 'email\nx@example.com', other))
      .status,
  ).toBe(404);
  expect(
    (await worker.api<{ items: unknown[] }>('GET', '/api/batches', undefined, other)).body.items,
  ).toEqual([]);
  expect((await worker.api<{ items: unknown[] }>('GET', '/api/queue', undefined, other)).body.items).toEqual(
    [],
  );
  expect((await worker.api('GET', '/api/providers/mock', undefined, other)).status).toBe(404);
  expect(
    (
      await worker.api<{ error: { code: string } }>(
        'POST',
        '/api/batches',
        { name: 'x', provider: 'mock', from: 'a@example.com', template: { text: 'x' } },
        other,
      )
    ).body.error.code,
  ).toBe('provider_unknown');
});

test('development credentials are refused in production', async () => {
  const production = await startWorker(database.url, {
    NODE_ENV: 'production',
    SECRET_KEY: '11'.repeat(32),
    ROLES: 'api',
  });
  try {
    expect((await production.api('GET', '/api/batches')).status).toBe(401);
    const login = await production.api('POST', '/api/session', {
      email: 'test@example.com',
      password: 'test123',
    });
    expect(login.status).toBe(401);
  } finally {
    await production.stop();
  }
});
