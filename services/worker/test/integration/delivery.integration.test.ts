import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startHttpSink } from '../support/http-sink.ts';
import { csv, sendBatch, startWorker, TEMPLATE, type TestWorker, waitForState } from '../support/worker.ts';

let database: TestDatabase;
let worker: TestWorker;
beforeAll(async () => {
  database = await createDatabase('delivery');
  worker = await startWorker(database.url);
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

test('10,000 recipients of a CSV each get one mail over SMTP, with their own subject and body', async () => {
  const mails: { to: string[]; raw: Buffer }[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push({ to: session.envelope.rcptTo.map((one) => one.address), raw: Buffer.concat(chunks) });
        done(null, 'accepted');
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as { port: number };
  await worker.api('POST', '/api/providers', {
    name: 'smtp',
    kind: 'smtp',
    settings: { host: '127.0.0.1', port, tls: 'off' },
  });
  const batch = await waitForState(worker, await sendBatch(worker, 'smtp', 10_000), 'completed', 60_000);
  server.close(() => {});
  expect(batch.counts.sent).toBe(10_000);
  expect(mails.length).toBe(10_000);
  expect(new Set(mails.map((mail) => mail.to.join())).size).toBe(10_000);
  for (const mail of mails.filter((_, i) => i % 97 === 0)) {
    const n = /^user(\d+)@example\.com$/.exec(mail.to[0]!)![1]!;
    const parsed = await simpleParser(mail.raw);
    expect(parsed.subject).toBe(`Hello User ${n}`);
    expect(parsed.text?.trim()).toBe(`Hello User ${n}, number ${n}`);
    expect(parsed.html).toContain(`<p>Hello User ${n}, number ${n}</p>`);
    expect(parsed.from?.text).toContain('news@example.com');
  }
  for (const mail of mails) {
    const n = /user(\d+)@/.exec(mail.to[0]!)![1]!;
    expect(mail.raw.includes(`Hello User ${n}`)).toBe(true);
  }
}, 90_000);

test('10,000 recipients of a CSV each get one POST through webhook, with key, variables and content', async () => {
  const sink = await startHttpSink();
  await worker.api('POST', '/api/providers', { name: 'hook', kind: 'webhook', settings: { url: sink.url } });
  const batch = await waitForState(worker, await sendBatch(worker, 'hook', 10_000), 'completed', 60_000);
  await sink.close();
  expect(batch.counts.sent).toBe(10_000);
  expect(sink.received.length).toBe(10_000);
  expect(sink.counts().size).toBe(10_000);
  for (const { key, body } of sink.received) {
    expect(key).toBe(body.id);
    expect(body).toMatchObject({
      to: `user${body.vars.number}@example.com`,
      subject: `Hello ${body.vars.name}`,
      text: `Hello ${body.vars.name}, number ${body.vars.number}`,
    });
  }
}, 90_000);

test('temporary refusals are tried again, permanent ones fail with their reason, one by one', async () => {
  const refused = new Set<string>();
  const sink = await startHttpSink((_request, { key, body }, response) => {
    const n = Number(body.vars.number);
    if (n % 10 === 0) return answer(response, 422, 'no such number');
    if (n % 7 === 0 && !refused.has(key)) {
      refused.add(key);
      return answer(response, 503, 'try later', { 'retry-after': '0' });
    }
    return false;
  });
  await worker.api('POST', '/api/providers', { name: 'moody', kind: 'webhook', settings: { url: sink.url } });
  const id = await sendBatch(worker, 'moody', 100);
  await expect.poll(() => sink.received.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(77);
  // The first wait of the retry policy is half a minute: make what is deferred due now.
  await expect
    .poll(
      async () =>
        (await database.pool.query('UPDATE deferrals SET due_at = now() WHERE batch_id = $1', [id])).rowCount,
      { timeout: 5000 },
    )
    .toBeGreaterThan(0);
  const batch = await waitForState(worker, id, 'completed');
  await sink.close();
  expect(batch.counts).toMatchObject({ sent: 90, failed: 10, deferred: 0 });
  expect([...sink.counts().values()].every((count) => count === 1)).toBe(true);
  const failed = await worker.api<{ items: { n: number; code: string; detail: string }[] }>(
    'GET',
    `/api/batches/${id}/messages?state=failed`,
  );
  expect(failed.body.items.map((one) => one.n)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  expect(failed.body.items[0]).toMatchObject({ code: 'http_422', detail: 'no such number' });
  const attempts = await database.pool.query(
    'SELECT count(*)::int AS count FROM attempts WHERE batch_id = $1',
    [id],
  );
  expect(attempts.rows[0].count).toBe(10 + 13);
});

function answer(
  response: import('node:http').ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): boolean {
  response.writeHead(status, headers).end(text);
  return true;
}

test('pause stops a running batch at once, resume sends exactly the rest', async () => {
  const sink = await startHttpSink();
  await worker.api('POST', '/api/providers', {
    name: 'slowly',
    kind: 'webhook',
    settings: { url: sink.url },
    limits: { perSecond: 2000 },
  });
  const id = await sendBatch(worker, 'slowly', 4000);
  await expect.poll(() => sink.received.length, { timeout: 10_000 }).toBeGreaterThan(300);
  await worker.api('POST', `/api/batches/${id}/pause`);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const atPause = sink.received.length;
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(sink.received.length).toBe(atPause);
  expect(atPause).toBeLessThan(4000);
  const paused = await waitForState(worker, id, 'paused');
  expect(paused.counts).toMatchObject({ sent: atPause, queued: 4000 - atPause, sending: 0, uncertain: 0 });
  await worker.api('POST', `/api/batches/${id}/resume`);
  await waitForState(worker, id, 'completed');
  await sink.close();
  expect(sink.received.length).toBe(4000);
  expect(sink.counts().size).toBe(4000);
});

test('cancel stops a running batch; what was not sent is cancelled, and can be listed so', async () => {
  const sink = await startHttpSink();
  await worker.api('POST', '/api/providers', {
    name: 'cancelled',
    kind: 'webhook',
    settings: { url: sink.url },
    limits: { perSecond: 1000 },
  });
  const id = await sendBatch(worker, 'cancelled', 3000);
  await expect.poll(() => sink.received.length, { timeout: 10_000 }).toBeGreaterThan(200);
  await worker.api('POST', `/api/batches/${id}/cancel`);
  await expect
    .poll(async () => (await waitForState(worker, id, 'cancelled')).counts.sending, { timeout: 5000 })
    .toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const batch = await waitForState(worker, id, 'cancelled');
  await sink.close();
  expect(batch.counts.sent).toBe(sink.received.length);
  expect(batch.counts.cancelled).toBe(3000 - sink.received.length);
  const listed = await worker.api<{ items: { state: string }[] }>(
    'GET',
    `/api/batches/${id}/messages?state=cancelled&limit=500`,
  );
  expect(listed.body.items.length).toBe(500);
  expect(listed.body.items.every((one) => one.state === 'cancelled')).toBe(true);
});

test('refused credentials pause the provider; its batch waits and goes on after resume', async () => {
  let authorized = false;
  const sink = await startHttpSink((_request, _received, response) =>
    authorized ? false : answer(response, 401, 'bad token'),
  );
  await worker.api('POST', '/api/providers', {
    name: 'locked',
    kind: 'webhook',
    settings: { url: sink.url },
  });
  const id = await sendBatch(worker, 'locked', 200);
  await expect
    .poll(async () => (await worker.api<{ state: string }>('GET', '/api/providers/locked')).body.state, {
      timeout: 5000,
    })
    .toBe('paused');
  await expect
    .poll(async () => (await waitForState(worker, id, 'sending')).counts.queued, { timeout: 5000 })
    .toBe(200);
  const waiting = await waitForState(worker, id, 'sending');
  expect(waiting.limitedBy).toContain('bad token');
  authorized = true;
  await worker.api('POST', '/api/providers/locked/resume');
  const done = await waitForState(worker, id, 'completed');
  await sink.close();
  expect(done.counts.sent).toBe(200);
  expect(sink.counts().size).toBe(200);
});

test('addresses on the suppression list get nothing', async () => {
  const sink = await startHttpSink();
  await worker.api('POST', '/api/providers', {
    name: 'polite',
    kind: 'webhook',
    settings: { url: sink.url },
  });
  await database.pool.query(
    `INSERT INTO suppressions SELECT id, 'user3@example.com', 'asked' FROM accounts WHERE name = 'Development'`,
  );
  const created = await worker.api<{ id: string }>('POST', '/api/batches', {
    name: 'x',
    provider: 'polite',
    from: 'a@example.com',
    template: TEMPLATE,
  });
  const imported = await worker.api<{ suppressed: number; accepted: number }>(
    'POST',
    `/api/batches/${created.body.id}/recipients`,
    csv(10),
  );
  expect(imported.body).toMatchObject({ accepted: 10, suppressed: 1 });
  await database.pool.query(
    `INSERT INTO suppressions SELECT id, 'user4@example.com', 'asked later' FROM accounts WHERE name = 'Development'`,
  );
  await worker.api('POST', `/api/batches/${created.body.id}/send`);
  const batch = await waitForState(worker, created.body.id, 'completed');
  await sink.close();
  expect(batch.counts).toMatchObject({ sent: 8, suppressed: 2 });
  expect(sink.received.map((one) => one.body.to)).not.toContain('user3@example.com');
  expect(sink.received.map((one) => one.body.to)).not.toContain('user4@example.com');
  await database.pool.query('DELETE FROM suppressions');
});

test('a scheduled batch waits for its time and then goes', async () => {
  const at = new Date(Date.now() + 1500).toISOString();
  const { body } = await worker.api<{ id: string; state: string }>('POST', '/api/batches', {
    name: 'later',
    provider: 'mock',
    from: 'a@example.com',
    template: { text: 'x' },
    recipients: [{ address: 'a@example.com' }],
    send: true,
    scheduledAt: at,
  });
  expect(body.state).toBe('scheduled');
  await waitForState(worker, body.id, 'completed', 10_000);
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(at));
});

test('the mock provider shows the last messages as they were rendered', async () => {
  const id = await sendBatch(worker, 'mock', 3);
  await waitForState(worker, id, 'completed');
  await expect
    .poll(
      async () =>
        (
          await worker.api<{ items: { to: string; content: { subject: string } }[] }>(
            'GET',
            '/api/providers/mock/messages',
          )
        ).body.items.map((one) => one.content.subject),
      { timeout: 5000 },
    )
    .toContain('Hello User 3');
});

test('failed messages get another round, through another provider, and only they', async () => {
  const bad = await startHttpSink((_request, { body }, response) =>
    Number(body.vars.number) % 4 === 0 ? answer(response, 422, 'no') : false,
  );
  const good = await startHttpSink();
  await worker.api('POST', '/api/providers', { name: 'picky', kind: 'webhook', settings: { url: bad.url } });
  await worker.api('POST', '/api/providers', {
    name: 'generous',
    kind: 'webhook',
    settings: { url: good.url },
  });
  const id = await sendBatch(worker, 'picky', 1200);
  expect((await waitForState(worker, id, 'completed')).counts).toMatchObject({ sent: 900, failed: 300 });
  const retry = await worker.api<{ retried: number }>('POST', `/api/batches/${id}/retry`, {
    states: ['failed', 'uncertain'],
    provider: 'generous',
  });
  expect(retry.body.retried).toBe(300);
  const batch = await waitForState(worker, id, 'completed');
  expect(batch.counts).toMatchObject({ sent: 1200, failed: 0, deferred: 0, queued: 0 });
  expect(good.received.length).toBe(300);
  expect(bad.received.length).toBe(900);
  await bad.close();
  await good.close();
});

test('a batch waiting for a provider that is gone goes on through another one', async () => {
  const good = await startHttpSink();
  await worker.api('POST', '/api/providers', {
    name: 'gone',
    kind: 'webhook',
    settings: { url: 'http://127.0.0.1:1/' },
  });
  await worker.api('POST', '/api/providers', { name: 'there', kind: 'webhook', settings: { url: good.url } });
  const id = await sendBatch(worker, 'gone', 1200);
  await expect
    .poll(async () => (await waitForState(worker, id, 'sending')).limitedBy, { timeout: 10_000 })
    .toContain('does not answer');
  await worker.api('POST', `/api/batches/${id}/retry`, { provider: 'there' });
  const batch = await waitForState(worker, id, 'completed');
  expect(batch.counts.sent).toBe(1200);
  expect(good.counts().size).toBe(1200);
  const { rows } = await database.pool.query(
    'SELECT max(attempts) AS most FROM messages WHERE batch_id = $1',
    [id],
  );
  expect(rows[0].most).toBe(1);
  await good.close();
});

test('quiet hours hold a batch and let it go', async () => {
  const now = new Date();
  const time = (minutes: number) => new Date(now.getTime() + minutes * 60_000).toISOString().slice(11, 16);
  const id = await sendBatch(worker, 'mock', 600, {
    quietHours: { start: time(-5), end: time(60), zone: 'UTC' },
  });
  await expect
    .poll(async () => (await waitForState(worker, id, 'sending')).limitedBy, { timeout: 5000 })
    .toContain('quiet hours until');
  await new Promise((resolve) => setTimeout(resolve, 700));
  const held = await waitForState(worker, id, 'sending');
  expect(held.counts.queued).toBeGreaterThan(0);
  await database.pool.query(
    `UPDATE batches SET options = jsonb_set(options, '{quietHours,end}', to_jsonb($2::text)) WHERE id = $1`,
    [id, time(-1)],
  );
  expect((await waitForState(worker, id, 'completed')).counts.sent).toBe(600);
});

test('a schedule that was missed by too much is held, with its reason, and resume sends it', async () => {
  const created = await worker.api<{ id: string }>('POST', '/api/batches', {
    name: 'missed',
    provider: 'mock',
    from: 'a@example.com',
    template: { text: 'x' },
    recipients: [{ address: 'a@example.com' }],
    send: true,
    scheduledAt: new Date(Date.now() + 3_600_000).toISOString(),
    lateHours: 2,
  });
  await database.pool.query(`UPDATE batches SET scheduled_at = now() - interval '3 hours' WHERE id = $1`, [
    created.body.id,
  ]);
  const held = await waitForState(worker, created.body.id, 'paused');
  expect(held.limitedBy).toContain('was missed by more than 2 h');
  await worker.api('POST', `/api/batches/${created.body.id}/resume`);
  await waitForState(worker, created.body.id, 'completed');
});

test('a wall-clock schedule is understood in the zone of the batch', async () => {
  const { body } = await worker.api<{ id: string; scheduledAt: string }>('POST', '/api/batches', {
    name: 'local',
    provider: 'mock',
    from: 'a@example.com',
    template: { text: 'x' },
    scheduledAt: '2031-07-15T09:00:00',
    timezone: 'Europe/Berlin',
  });
  expect(body.scheduledAt).toBe('2031-07-15T07:00:00.000Z');
});

test.each(['pause', 'cancel'] as const)('%s takes effect within a second at full speed', async (action) => {
  const id = await sendBatch(worker, 'mock', 60_000);
  await expect
    .poll(async () => (await waitForState(worker, id, 'sending')).counts.sent, { timeout: 10_000 })
    .toBeGreaterThan(1000);
  await worker.api('POST', `/api/batches/${id}/${action}`);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const state = action === 'pause' ? 'paused' : 'cancelled';
  const [after, later] = [await waitForState(worker, id, state), await waitForState(worker, id, state)];
  expect(after.counts.sending).toBe(0);
  expect(later.counts).toEqual(after.counts);
  if (action === 'cancel') return;
  await worker.api('POST', `/api/batches/${id}/resume`);
  expect((await waitForState(worker, id, 'completed')).counts.sent).toBe(60_000);
});
