import { afterAll, beforeAll, expect, test } from 'vitest';
import { LinkSigner, PublicLinks } from '../../src/domain/links/token.ts';
import { casesOf } from '../cases/case-files.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startWorker, type TestWorker, waitForState } from '../support/worker.ts';

interface Step {
  method: string;
  url:
    | 'tracked'
    | 'tracked_with_other_target'
    | 'tracked_with_random_id'
    | 'unsubscribe'
    | 'unsubscribe_tampered';
  headers?: Record<string, string>;
  body?: string;
}
interface Answer {
  status?: number;
  also_status?: number[];
  status_class?: string;
  location?: string | null;
  subscribed?: boolean;
  page?: string;
}
type EndpointCase = { link?: string; steps: Step[] };

let database: TestDatabase;
let worker: TestWorker;
const links = () => new PublicLinks(worker.url!, new LinkSigner('00'.repeat(32)));
beforeAll(async () => {
  database = await createDatabase('links');
  worker = await startWorker(database.url, { PUBLIC_URL: 'https://send.example.org' });
});
afterAll(async () => {
  await worker?.stop();
  await database?.drop();
});

async function draft(more: object = {}): Promise<string> {
  const { body, status } = await worker.api<{ id: string }>('POST', '/api/batches', {
    name: 'links',
    provider: 'mock',
    from: 'News <news@example.com>',
    template: { subject: 'Hi', html: '<p><a href="https://example.com/?a=1&amp;b=2">x</a></p>' },
    recipients: [{ address: `r${Math.random()}@example.com` }],
    ...more,
  });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.id;
}

function addressOf(step: Step, batchId: string, link: string): string {
  const unsubscribe = links().unsubscribe(batchId, 1);
  switch (step.url) {
    case 'tracked':
      return links().click(batchId, 1, link);
    case 'tracked_with_other_target': {
      const good = Buffer.from(links().click(batchId, 1, link).split('/c/')[1]!, 'base64url');
      const bad = Buffer.concat([good.subarray(0, 36), Buffer.from('https://evil.example/')]);
      return `${worker.url}/c/${bad.toString('base64url')}`;
    }
    case 'tracked_with_random_id':
      return `${worker.url}/c/${Buffer.alloc(60, 7).toString('base64url')}`;
    case 'unsubscribe':
      return unsubscribe;
    default:
      return `${unsubscribe.slice(0, -2)}xx`;
  }
}

const endpointCases = casesOf<EndpointCase, { responses: Answer[] }>('links').filter((one) =>
  /^(?:redirect|unsubscribe)_(?!headers)/.test(one.kind),
);

test.each(endpointCases.map((one) => [`${one.id} ${one.kind}`, one] as const))('%s', async (_name, one) => {
  const id = await draft();
  for (const [i, step] of one.input.steps.entries()) {
    const expected = one.expected.responses[i]!;
    const response = await fetch(addressOf(step, id, one.input.link ?? ''), {
      method: step.method,
      redirect: 'manual',
      headers: step.headers,
      ...(step.body ? { body: step.body } : {}),
    });
    if (expected.status_class === '4xx') expect(Math.floor(response.status / 100)).toBe(4);
    else expect([expected.status, ...(expected.also_status ?? [])]).toContain(response.status);
    if (expected.location !== undefined) expect(response.headers.get('location')).toBe(expected.location);
    if (expected.page === 'confirmation') expect(await response.text()).toContain('<form method="post">');
    else if (expected.page) expect(await response.text()).toContain('is unsubscribed');
    if (expected.subscribed !== undefined) expect(await isSubscribed(id)).toBe(expected.subscribed);
  }
});

async function isSubscribed(batchId: string): Promise<boolean> {
  const { rowCount } = await database.pool.query(
    'SELECT 1 FROM messages m JOIN suppressions s ON s.address = lower(m.address) WHERE m.batch_id = $1',
    [batchId],
  );
  return rowCount === 0;
}

test('lnk-048 unsubscribe_headers: one-click headers and tracked links go out, the unsubscribe link is left alone', async () => {
  const id = await draft({
    unsubscribe: true,
    tracking: { clicks: true, opens: true, utm: { utm_source: 'news' } },
    template: { html: '<a href="{{ unsubscribe_url }}">out</a><a href="https://example.com/">x</a>' },
    send: true,
  });
  await waitForState(worker, id, 'completed');
  await expect
    .poll(
      async () =>
        (await database.pool.query('SELECT message FROM mock_messages ORDER BY id DESC LIMIT 1')).rows[0]
          ?.message,
    )
    .toMatchObject({ batchId: id });
  const { rows } = await database.pool.query('SELECT message FROM mock_messages ORDER BY id DESC LIMIT 1');
  const { headers, content } = rows[0].message;
  expect(headers['List-Unsubscribe']).toMatch(/^<https:\/\/send\.example\.org\/u\/[\w-]+>$/);
  expect(headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
  expect(content.html).toContain(`href="${headers['List-Unsubscribe'].slice(1, -1)}"`);
  const token = /\/c\/([\w-]+)/.exec(content.html)![1]!;
  expect(new LinkSigner('00'.repeat(32)).verify('click', token)).toEqual({
    batchId: id,
    n: 1,
    target: 'https://example.com/?utm_source=news',
  });
  expect(content.html).toMatch(/<img src="https:\/\/send\.example\.org\/o\/[\w-]+"/);
  expect(content.text).toContain('x [https://example.com/]');
});
