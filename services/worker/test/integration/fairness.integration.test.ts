import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOtherAccount, OTHER_KEY } from '../support/account.ts';
import { type ChildWorker, spawnWorker } from '../support/child-worker.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type BatchBody, KEY, seedAccount, TEMPLATE } from '../support/worker.ts';

const LARGE = 1_000_000;
/** "Within seconds"; alone it takes a fraction of one. The large batch takes a minute or more. */
const PATIENCE_MS = 10_000;

let database: TestDatabase;
let worker: ChildWorker;
beforeAll(async () => {
  database = await createDatabase('fairness');
  await seedAccount(database.url, '00'.repeat(32));
  await createOtherAccount(database.pool);
  worker = await spawnWorker(database.url);
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

async function api<T = BatchBody>(
  key: string,
  method: string,
  path: string,
  body?: string | ReadableStream,
): Promise<T> {
  const response = await fetch(worker.url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
    },
    ...(body === undefined ? {} : { body, duplex: 'half' }),
  } as RequestInit);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

function rows(count: number): ReadableStream {
  let n = 0;
  return new ReadableStream({
    pull(controller) {
      if (n === count) return controller.close();
      const lines = n === 0 ? ['email,name,number'] : [];
      for (const end = Math.min(count, n + 5000); n < end; ) lines.push(`u${++n}@example.com,User ${n},${n}`);
      controller.enqueue(new TextEncoder().encode(`${lines.join('\n')}\n`));
    },
  });
}

async function send(key: string, provider: string, count: number): Promise<string> {
  const body = { name: 'fair', provider, from: 'a@example.com', template: TEMPLATE };
  const { id } = await api(key, 'POST', '/api/batches', JSON.stringify(body));
  await api(key, 'POST', `/api/batches/${id}/recipients`, rows(count));
  await api(key, 'POST', `/api/batches/${id}/send`);
  return id;
}

async function completed(key: string, id: string): Promise<BatchBody> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const batch = await api(key, 'GET', `/api/batches/${id}`);
    if (batch.state === 'completed') return batch;
    if (performance.now() > deadline)
      throw new Error(`still ${batch.state}: ${JSON.stringify(batch.counts)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('100 messages finish within seconds beside a million: another account, and another provider of the same', async () => {
  for (const [key, name] of [
    [OTHER_KEY, 'theirs'],
    [KEY, 'ours'],
  ] as const)
    await api(key, 'POST', '/api/providers', JSON.stringify({ name, kind: 'mock', settings: {} }));
  const large = await send(KEY, 'mock', LARGE);
  const small = await Promise.all([
    send(OTHER_KEY, 'theirs', 100).then((id) => completed(OTHER_KEY, id)),
    send(KEY, 'ours', 100).then((id) => completed(KEY, id)),
  ]);
  expect(small.map((batch) => batch.counts)).toMatchObject([{ sent: 100 }, { sent: 100 }]);
  const meanwhile = await api(KEY, 'GET', `/api/batches/${large}`);
  expect([meanwhile.state, meanwhile.total]).toEqual(['sending', LARGE]);
  expect(meanwhile.counts.sent).toBeGreaterThan(0);
  await api(KEY, 'POST', `/api/batches/${large}/cancel`);
}, 180_000);
