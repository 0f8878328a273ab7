import { PostgresAccounts } from '../../src/adapters/postgres/accounts.ts';
import { createPool } from '../../src/adapters/postgres/pool.ts';
import { PostgresProviders } from '../../src/adapters/postgres/providers.ts';
import { SecretBox } from '../../src/adapters/postgres/secret-box.ts';
import { readConfig } from '../../src/config.ts';
import { seed } from '../../src/seed.ts';
import { type RunningWorker, serve } from '../../src/serve.ts';

export const KEY = 'test-api-key';

export interface TestWorker extends RunningWorker {
  api<T = Record<string, never>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: T }>;
}

/** A worker in this process, with the development account. */
export async function startWorker(
  databaseUrl: string,
  env: Record<string, string> = {},
): Promise<TestWorker> {
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    PORT: '0',
    LOG_LEVEL: process.env.TEST_LOG ?? 'silent',
    ...env,
  });
  if (config.NODE_ENV !== 'production') await seedAccount(databaseUrl, config.SECRET_KEY);
  const worker = await serve(config);
  return {
    ...worker,
    api: async <T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
      const response = await fetch(`${worker.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${KEY}`,
          ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      } as RequestInit);
      const text = await response.text();
      return { status: response.status, body: (text === '' ? null : parse(text)) as T };
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export async function seedAccount(databaseUrl: string, secretKey: string): Promise<string> {
  const pool = createPool(databaseUrl, { max: 1, name: 'seed' }, () => {});
  const { accountId } = await seed(
    new PostgresAccounts(pool, true),
    new PostgresProviders(pool, new SecretBox(secretKey)),
  );
  await pool.end();
  return accountId;
}

export interface BatchBody {
  id: string;
  state: string;
  total: number;
  counts: Record<string, number>;
  progress: number;
  limitedBy: string | null;
  provider: { id: string; name: string; state: string };
}

/** Waits until the batch is in the state, and checks at every look that its states add up. */
export async function waitForState(
  worker: TestWorker,
  id: string,
  state: string,
  withinMs = 30_000,
): Promise<BatchBody> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const { body } = await worker.api<BatchBody>('GET', `/api/batches/${id}`);
    const sum = Object.values(body.counts).reduce((a, b) => a + b, 0);
    if (sum !== body.total)
      throw new Error(`states add up to ${sum}, not ${body.total}: ${JSON.stringify(body.counts)}`);
    if (Object.values(body.counts).some((count) => count < 0))
      throw new Error(`a negative count: ${JSON.stringify(body.counts)}`);
    if (body.state === state) return body;
    if (Date.now() > deadline)
      throw new Error(`batch is ${body.state}, not ${state}: ${JSON.stringify(body.counts)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const TEMPLATE = {
  subject: 'Hello {{ name }}',
  html: '<p>Hello {{ name }}, number {{ number }}</p>',
  text: 'Hello {{ name }}, number {{ number }}',
};

export function csv(count: number, from = 1): string {
  const lines = ['email,name,number'];
  for (let n = from; n < from + count; n++) lines.push(`user${n}@example.com,User ${n},${n}`);
  return lines.join('\n');
}

/** Creates, fills and sends a batch; returns its id. */
export async function sendBatch(
  worker: TestWorker,
  provider: string,
  count: number,
  more: object = {},
): Promise<string> {
  const { body, status } = await worker.api<BatchBody>('POST', '/api/batches', {
    name: 'test',
    provider,
    from: 'News <news@example.com>',
    template: TEMPLATE,
    ...more,
  });
  if (status !== 201) throw new Error(JSON.stringify(body));
  await worker.api('POST', `/api/batches/${body.id}/recipients`, csv(count));
  const sent = await worker.api('POST', `/api/batches/${body.id}/send`);
  if (sent.status !== 200) throw new Error(JSON.stringify(sent.body));
  return body.id;
}
