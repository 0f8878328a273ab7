import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { createClickHouse, migrateClickHouse } from '../../src/adapters/clickhouse/events.ts';
import { MIGRATIONS_DIR } from '../../src/adapters/postgres/migrate.ts';
import { CASES } from '../cases/case-files.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type SmtpPeer, startSmtpPeer } from '../support/smtp-peer.ts';
import { sendBatch, startWorker, type TestWorker, waitForState } from '../support/worker.ts';

const PUBLIC_URL = 'https://send.example.org';
let database: TestDatabase;
let worker: TestWorker;
let peer: SmtpPeer;
beforeAll(async () => {
  database = await createDatabase('formats');
  const clickhouse = createClickHouse(inject('clickhouseUrl'));
  await migrateClickHouse(clickhouse, `${MIGRATIONS_DIR}/clickhouse`);
  await clickhouse.close();
  worker = await startWorker(database.url, { PUBLIC_URL, CLICKHOUSE_URL: inject('clickhouseUrl') });
  peer = await startSmtpPeer();
});
afterAll(async () => {
  await worker?.stop();
  await peer?.close();
  await database?.drop();
});
afterEach(() => vi.restoreAllMocks());

async function addProvider(name: string, settings: object): Promise<string> {
  const { body, status } = await worker.api<{ id: string }>('POST', '/api/providers', {
    name,
    kind: 'smtp',
    settings: { host: '127.0.0.1', port: peer.port, ...settings },
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.id;
}

async function post(path: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const response = await fetch(`${worker.url}/webhooks/${path}`, {
    method: 'POST',
    body: body as never,
    headers,
  });
  return {
    status: response.status,
    body: (await response.json()) as { accepted?: number; error?: { code: string; fix: string } },
  };
}

async function sentBatch(provider: string, count = 6): Promise<string> {
  const id = await sendBatch(worker, provider, count);
  await waitForState(worker, id, 'completed');
  return id;
}
const counts = async (id: string) => (await waitForState(worker, id, 'completed')).counts;
const mailTo = (address: string) => peer.mails.findLast(({ to }) => to === address)!.data;

test('SendGrid: our id goes out as unique argument and comes back; states, suppressions and clicks follow', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const source = await addProvider('sendgrid', {
    eventFormat: 'sendgrid',
    eventPublicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  });
  const id = await sentBatch('sendgrid');
  const { unique_args } = JSON.parse(/^X-SMTPAPI: (.+)$/m.exec(mailTo('user2@example.com'))![1]!);
  const { body: shown } = await worker.api<{ eventsUrl: string }>('GET', '/api/providers/sendgrid');
  expect(shown.eventsUrl).toBe(`${PUBLIC_URL}/webhooks/${source}`);
  expect(unique_args).toEqual({ batchsender_id: `${id}.2` });
  const event = (n: number, event: string, more: object = {}) => ({
    ...{ event, sg_event_id: `${id}-${n}-${event}`, sg_message_id: `m${n}.x`, batchsender_id: `${id}.${n}` },
    ...{ email: `user${n}@example.com`, timestamp: 1_772_366_390 },
    ...more,
  });
  const send = (events: object[]) => {
    const body = JSON.stringify(events);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = sign('sha256', Buffer.from(timestamp + body), privateKey).toString('base64');
    return post(source, body, {
      'x-twilio-email-event-webhook-signature': signature,
      'x-twilio-email-event-webhook-timestamp': timestamp,
    });
  };
  const events = [
    ...[
      event(1, 'processed'),
      event(1, 'delivered'),
      event(2, 'bounce', { type: 'bounce', status: '5.1.1' }),
    ],
    ...[
      event(3, 'bounce', { type: 'blocked', status: '5.7.1' }),
      event(4, 'spamreport'),
      event(5, 'dropped'),
    ],
    ...[event(6, 'click', { url: 'https://example.com/?a=1' }), event(6, 'unsubscribe')],
  ];
  expect((await send(events)).body.accepted).toBe(7);
  await expect
    .poll(() => counts(id), { timeout: 10_000 })
    .toMatchObject({ sent: 1, delivered: 1, bounced: 2, complained: 1, failed: 1 });
  const { body: bounced } = await worker.api('GET', `/api/batches/${id}/messages?state=bounced`);
  expect(bounced).toMatchObject({
    items: [
      { n: 2, temporary: false },
      { n: 3, temporary: true },
    ],
  });
  const { body: explained } = await worker.api<{ advice: string[] }>('GET', `/api/explanations/${id}.3`);
  expect(explained.advice[0]).toContain(`batch retry ${id} --state bounced`);
  // A temporary bounce is followed by a delivery; a permanent one is not.
  await send([
    event(2, 'delivered', { sg_event_id: 'late2' }),
    event(3, 'delivered', { sg_event_id: 'late3' }),
  ]);
  await expect.poll(() => counts(id), { timeout: 10_000 }).toMatchObject({ delivered: 2, bounced: 1 });
  const { rows } = await database.pool.query('SELECT address, reason FROM suppressions ORDER BY address');
  expect(rows).toEqual([
    { address: 'user2@example.com', reason: 'bounced' },
    { address: 'user4@example.com', reason: 'complained' },
    { address: 'user6@example.com', reason: 'unsubscribed' },
  ]);
  // The same again is acknowledged, and counted nowhere.
  expect((await send(events)).body.accepted).toBe(0);
  const clicks = async () => {
    const { body } = await worker.api<{ events: { type: string; count: number }[] }>(
      'GET',
      `/api/analytics/events?batch=${id}`,
    );
    return JSON.stringify(body);
  };
  await expect.poll(clicks, { timeout: 15_000 }).toContain('clicked');
  await database.pool.query('DELETE FROM suppressions');
});

test('Postmark: metadata goes out and comes back; its password is the proof', async () => {
  const source = await addProvider('postmark', {
    eventFormat: 'postmark',
    eventSecret: 'hook:long-enough-password',
  });
  const id = await sentBatch('postmark', 2);
  const echoed = /^X-PM-Metadata-batchsender: (\S+)\r?$/m.exec(mailTo('user1@example.com'))![1];
  expect(echoed).toBe(`${id}.1`);
  const body = JSON.stringify({
    ...{
      RecordType: 'Delivery',
      MessageID: 'x',
      Recipient: 'user1@example.com',
      DeliveredAt: '2026-03-01T11:59:53Z',
    },
    Metadata: { batchsender: echoed },
  });
  const wrong = await post(source, body, { authorization: `Basic ${btoa('hook:another-password')}` });
  expect(wrong).toMatchObject({ status: 401, body: { error: { code: 'webhook_bad_signature' } } });
  const right = { authorization: `Basic ${btoa('hook:long-enough-password')}` };
  expect((await post(source, body, right)).body.accepted).toBe(1);
  await expect.poll(() => counts(id), { timeout: 10_000 }).toMatchObject({ delivered: 1, sent: 1 });
});

test('Twilio: the address with our id in it is signed as it stands, with PUBLIC_URL', async () => {
  const token = 'an-auth-token-of-32-characters-xx';
  const source = await addProvider('twilio', { eventFormat: 'twilio', eventSecret: token });
  const id = await sentBatch('twilio', 1);
  const path = `${source}?id=${id}.1`;
  const body = new URLSearchParams({ MessageSid: 'SM1', MessageStatus: 'delivered', To: '+12025550143' });
  const text = `${PUBLIC_URL}/webhooks/${path}MessageSidSM1MessageStatusdeliveredTo+12025550143`;
  const signature = createHmac('sha1', token).update(text).digest('base64');
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature };
  expect((await post(`${path}&x=1`, body.toString(), headers)).status).toBe(401);
  expect((await post(path, body.toString(), headers)).body.accepted).toBe(1);
  await expect.poll(() => counts(id), { timeout: 10_000 }).toMatchObject({ delivered: 1 });
});

test('Telnyx: a tag of ours comes back', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = (key: KeyObject) =>
    key.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
  const source = await addProvider('telnyx', { eventFormat: 'telnyx', eventPublicKey: raw(publicKey) });
  const id = await sentBatch('telnyx', 1);
  const payload = {
    ...{ id: 'm', tags: [`${id}.1`], errors: [{ code: '40001' }] },
    to: [{ phone_number: '+12025550143', status: 'delivery_failed' }],
  };
  const body = JSON.stringify({ data: { event_type: 'message.finalized', id: 'e', payload } });
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = sign(null, Buffer.from(`${timestamp}|${body}`), privateKey).toString('base64');
  const headers = { 'telnyx-timestamp': timestamp, 'telnyx-signature-ed25519': signature };
  expect((await post(source, body, headers)).body.accepted).toBe(1);
  await expect.poll(() => counts(id), { timeout: 10_000 }).toMatchObject({ bounced: 1 });
});

test('SES: topics that are ours only, certificates from SNS only, a subscription is confirmed', async () => {
  const file = (name: string) => readFileSync(`${CASES}/provider-events/${name}`);
  const source = await addProvider('ses', {
    eventFormat: 'ses',
    eventTopics: 'arn:aws:sns:eu-central-1:000000000000:batchsender-shared-test',
  });
  const asked: string[] = [];
  const real = globalThis.fetch;
  const unreachable: typeof fetch = async (input, init) =>
    String(input).includes('amazonaws') ? Promise.reject(new Error('no route')) : real(input, init);
  const headers = { 'content-type': 'text/plain; charset=UTF-8' };
  vi.spyOn(globalThis, 'fetch').mockImplementation(unreachable);
  // Not known is not wrong: with a 4xx SNS would drop the event.
  expect(await post(source, file('files/ses-complaint.json'), headers)).toMatchObject({
    status: 502,
    body: { error: { code: 'webhook_not_verified' } },
  });
  vi.mocked(globalThis.fetch).mockImplementation(async (input, init) => {
    const url = String(input);
    if (!new URL(url).hostname.endsWith('amazonaws.com')) return real(input, init);
    asked.push(url);
    return new Response(url.endsWith('.pem') ? file('keys/sns-test-only.cert.pem') : 'confirmed');
  });
  // Authentic, of a message that another system sent: acknowledged.
  expect(await post(source, file('files/ses-complaint.json'), headers)).toMatchObject({
    status: 200,
    body: { accepted: 0 },
  });
  expect((await post(source, file('files/ses-subscription.json'), headers)).status).toBe(200);
  expect(asked.filter((url) => url.endsWith('.pem'))).toHaveLength(1);
  expect(asked.at(-1)).toContain('Action=ConfirmSubscription');
  expect(await post(source, file('files/ses-unknown-topic.json'), headers)).toMatchObject({
    status: 403,
    body: { error: { code: 'webhook_unknown_key' } },
  });
  const before = asked.length;
  expect((await post(source, file('files/ses-foreign-cert-s3.json'), headers)).status).toBe(401);
  expect(asked).toHaveLength(before);
  vi.mocked(globalThis.fetch).mockImplementation(unreachable);
  expect(await post(source, file('files/ses-subscription.json'), headers)).toMatchObject({
    status: 502,
    body: { error: { code: 'webhook_not_confirmed' } },
  });
});

test('settings with which no event could be proved are refused, by the field that is wrong', async () => {
  const refused = async (settings: object) => {
    const { status, body } = await worker.api<{
      error: { code: string; field: string; message: string; fix: string };
    }>('POST', '/api/providers', { name: 'wrong', kind: 'smtp', settings: { host: 'x', ...settings } });
    expect([status, body.error.code]).toEqual([422, 'provider_settings_invalid']);
    return `${body.error.field} ${body.error.message} ${body.error.fix}`;
  };
  expect(await refused({ eventFormat: 'sendgrid' })).toMatch(/^settings.eventPublicKey .*verification key/);
  expect(await refused({ eventFormat: 'sendgrid', eventPublicKey: 'nonsense' })).toContain('eventPublicKey');
  expect(await refused({ eventFormat: 'ses', eventTopics: 'my-topic' })).toContain('arn:aws:sns');
  expect(await refused({ eventFormat: 'ses', eventSecret: 'x' })).toContain('needs eventTopics');
  expect(await refused({ eventFormat: 'telnyx', eventPublicKey: 'AAAA' })).toContain('32 bytes');
  expect(await refused({ eventFormat: 'mailchimp' })).toMatch(/^settings.eventFormat/);
  const short = await refused({ eventSecret: 'short' });
  expect(short).toContain('24 bytes');
  // Help is about what is wrong, and about everything when a setting is not known.
  expect(short).not.toContain('dkimDomain');
  expect(await refused({ eventSecrt: 'x' })).toContain('dkimDomain');
});
