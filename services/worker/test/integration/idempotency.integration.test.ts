import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { casesOf } from '../cases/case-files.ts';
import { createOtherAccount, OTHER_KEY } from '../support/account.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { KEY, startWorker, TEMPLATE, type TestWorker } from '../support/worker.ts';

interface Step {
  at: string;
  account: 'acct_a' | 'acct_b';
  key: string | null;
  body?: object;
  raw_body?: string;
  hold?: string;
  parallel?: number;
  simulate?: 'rate_limited' | 'fail_before_commit' | 'fail_after_commit' | 'kill_before_commit';
}
interface ExpectedStep {
  status?: number;
  also_status?: number[];
  batches_created: number;
  same_response_as_step?: number;
  error_code?: string;
  retry_after?: boolean;
  status_counts?: Record<string, { min?: number; max?: number }>;
}
interface Expected {
  responses: ExpectedStep[];
  total_batches_created: number;
}
interface Answer {
  status: number;
  body: { id?: string; error?: { code: string } };
  retryAfter: boolean;
}

let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('idempotency');
  worker = await startWorker(database.url);
  await createOtherAccount(database.pool);
  await worker.api(
    'POST',
    '/api/providers',
    { name: 'mock', kind: 'mock' },
    { authorization: `Bearer ${OTHER_KEY}` },
  );
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});
beforeEach(() => database.pool.query('DELETE FROM idempotency_keys'));

const count = async () =>
  (await database.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM batches')).rows[0]!.count;

/** The cases leave out what every e-mail needs here. */
async function post(step: Step): Promise<Answer> {
  const headers = new Headers({
    authorization: `Bearer ${step.account === 'acct_a' ? KEY : OTHER_KEY}`,
    'content-type': 'application/json',
  });
  if (step.key !== null) headers.set('idempotency-key', step.key);
  const body = step.raw_body ?? JSON.stringify({ from: 'news@example.com', provider: 'mock', ...step.body });
  const response = await fetch(`${worker.url}/api/batches`, { method: 'POST', headers, body });
  return {
    status: response.status,
    body: (await response.json()) as Answer['body'],
    retryAfter: response.headers.has('retry-after'),
  };
}

/** Nothing can be inserted until it is let go: the request is under way. */
async function holdWhile<T>(work: () => Promise<T>): Promise<T> {
  const client = await database.pool.connect();
  await client.query('BEGIN; LOCK TABLE batch_attachments, messages, batches IN EXCLUSIVE MODE');
  try {
    return await work();
  } finally {
    await client.query('COMMIT');
    client.release();
  }
}

async function run(step: Step): Promise<Answer> {
  switch (step.simulate) {
    case 'rate_limited':
      // Refused by what sits before the API, which never sees it.
      return { status: 429, body: {}, retryAfter: true };
    case 'fail_before_commit':
      return failingAtCommit(() => post(step));
    case 'fail_after_commit':
      // Done, and the answer is lost on its way: the gateway says so.
      await post(step);
      return { status: 502, body: {}, retryAfter: false };
    case 'kill_before_commit':
      return killed(step);
    default:
      return post(step);
  }
}

/** Its connection to the database ends while it makes the batch. */
async function killed(step: Step): Promise<Answer> {
  const { held } = await holdWhile(async () => {
    const held = post(step);
    const victims = () =>
      database.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO batches%' AND datname = current_database()`,
      );
    await expect.poll(async () => (await victims()).rowCount, { timeout: 5000, interval: 20 }).toBe(1);
    return { held };
  });
  return held;
}

async function failingAtCommit<T>(work: () => Promise<T>): Promise<T> {
  await database.pool.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON batches DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION refuse()`);
  try {
    return await work();
  } finally {
    await database.pool.query('DROP TRIGGER refuse ON batches; DROP FUNCTION refuse');
  }
}

const seconds = (at: string) =>
  [...at.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * { h: 3600, m: 60, s: 1 }[unit as 'h' | 'm' | 's'],
    0,
  );

/** Runs the steps in their order; time passes by making what is kept older. */
async function play(steps: Step[]): Promise<{ answers: Answer[][]; created: number[] }> {
  const answers: Answer[][] = [];
  const created: number[] = [];
  let now = 0;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    await database.pool.query(
      'UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => $1)',
      [seconds(step.at) - now],
    );
    now = seconds(step.at);
    const before = await count();
    if (step.hold) {
      const { held, meanwhile } = await overlapping(step, steps[++i]!);
      answers.push([await held], [meanwhile]);
      created.push((await count()) - before, 0);
      continue;
    }
    answers.push(await Promise.all(Array.from({ length: step.parallel ?? 1 }, () => run(step))));
    created.push((await count()) - before);
  }
  return { answers, created };
}

async function overlapping(first: Step, second: Step) {
  return holdWhile(async () => {
    const held = run(first);
    const isLocked = async () => {
      const { rowCount } = await database.pool.query('SELECT 1 FROM idempotency_keys FOR UPDATE SKIP LOCKED');
      const { rows } = await database.pool.query('SELECT count(*)::int AS count FROM idempotency_keys');
      return rows[0].count - (rowCount ?? 0);
    };
    await expect.poll(isLocked, { timeout: 5000, interval: 20 }).toBe(1);
    return { held, meanwhile: await run(second) };
  });
}

function check(answers: Answer[], expected: ExpectedStep, all: Answer[][]): void {
  const statuses = answers.map(({ status }) => status);
  for (const [status, { min = 0, max = Number.POSITIVE_INFINITY }] of Object.entries(
    expected.status_counts ?? {},
  )) {
    const found = statuses.filter((one) => one === Number(status)).length;
    expect(found >= min && found <= max, `${found} × ${status}`).toBe(true);
  }
  if (expected.status_counts) {
    expect(statuses.every((status) => status < 500)).toBe(true);
    return;
  }
  const [answer] = answers;
  expect([expected.status, ...(expected.also_status ?? [])]).toContain(answer!.status);
  if (expected.error_code) expect(answer!.body.error!.code).toBe(expected.error_code);
  if (expected.retry_after !== undefined) expect(answer!.retryAfter).toBe(expected.retry_after);
  if (expected.same_response_as_step) expect(answer).toEqual(all[expected.same_response_as_step - 1]![0]);
}

for (const { id, kind, input, expected, also_acceptable = [], reason } of casesOf<
  { steps: Step[] },
  Expected
>('idempotency')) {
  test(`${id} ${kind}`, async () => {
    const { answers, created } = await play(input.steps);
    const fits = (one: Expected) => {
      expect(created, reason).toEqual(one.responses.map(({ batches_created }) => batches_created));
      expect(created.reduce((sum, n) => sum + n, 0)).toBe(one.total_batches_created);
      for (const [i, step] of one.responses.entries()) check(answers[i]!, step, answers);
    };
    const acceptable = also_acceptable.some((one) => {
      try {
        fits(one);
        return true;
      } catch {
        return false;
      }
    });
    if (!acceptable) fits(expected);
  });
}

const batch = {
  name: 'x',
  channel: 'email',
  recipients: [{ address: 'ann@example.com' }],
  template: { text: 'Hi' },
};

test('a connection that is killed while the batch is made: nothing is left, and the key is free at once', async () => {
  const step: Step = { at: '0s', account: 'acct_a', key: 'killed', body: { ...batch, send: true } };
  const before = await count();
  expect((await run({ ...step, simulate: 'kill_before_commit' })).status).toBe(500);
  expect(await count()).toBe(before);
  const again = await post(step);
  expect(again.status).toBe(201);
  expect(await count()).toBe(before + 1);
  expect(await post(step)).toEqual(again);
});

test('a batch that cannot be made whole leaves nothing, with or without a key', async () => {
  const before = await count();
  const body = { ...batch, recipients: [{ address: 'nobody' }] };
  for (const key of [null, 'whole'])
    expect(await post({ at: '0s', account: 'acct_a', key, body })).toMatchObject({
      status: 422,
      body: { error: { code: 'recipients_none_accepted' } },
    });
  expect(await count()).toBe(before);
  expect((await post({ at: '0s', account: 'acct_a', key: 'whole', body: batch })).status).toBe(201);
});

test('a header that is repeated is refused', async () => {
  const { port } = new URL(worker.url!);
  const headers = ['host', 'x', 'authorization', `Bearer ${KEY}`, 'content-type', 'application/json'];
  const request = httpRequest({
    port,
    path: '/api/batches',
    method: 'POST',
    headers: [...headers, 'idempotency-key', 'a', 'idempotency-key', 'b'],
  }).end(JSON.stringify({ from: 'news@example.com', ...batch }));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(400);
  expect(JSON.parse(await text(response)).error.code).toBe('invalid_idempotency_key');
});

test('an answer that was kept says so, and does not depend on what changed since', async () => {
  await worker.api('POST', '/api/providers', { name: 'gone', kind: 'mock' });
  const body = { name: 'x', provider: 'gone', from: 'a@example.com', template: TEMPLATE };
  const send = () =>
    fetch(`${worker.url}/api/batches`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'idempotency-key': 'kept',
      },
      body: JSON.stringify(body),
    });
  const first = await send();
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  const { id } = (await first.json()) as { id: string };
  await worker.api('DELETE', `/api/batches/${id}`);
  await worker.api('DELETE', '/api/providers/gone');
  const second = await send();
  expect(second.status).toBe(201);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(await second.json()).toMatchObject({ id });
});
