import { expect, test } from 'vitest';
import {
  type BatchFacts,
  explainBatch,
  explainMessage,
  type MessageFacts,
} from '../../src/domain/explanation.ts';
import { MESSAGE_STATE_NAMES, type StateCounts } from '../../src/domain/message-state.ts';

const counts = (given: Partial<StateCounts>): StateCounts => ({
  ...(Object.fromEntries(MESSAGE_STATE_NAMES.map((state) => [state, 0])) as StateCounts),
  ...given,
});
const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 9, minute));
const batch = (over: Partial<BatchFacts>): BatchFacts => ({
  id: 'B',
  name: 'March',
  state: 'sending',
  total: 1000,
  counts: counts({ queued: 400, sent: 600 }),
  note: null,
  provider: { name: 'relay', state: 'active', pauseReason: null },
  limitedBy: null,
  perSecond: 0,
  etaSeconds: null,
  nextRetryAt: null,
  scheduledAt: null,
  createdAt: at(0),
  startedAt: at(1),
  finishedAt: null,
  reasons: [],
  senders: 1,
  ...over,
});

test('a batch that moves says how fast, how far, how long still, and what it waits for', () => {
  const { summary, waitsFor, advice, timeline } = explainBatch(
    batch({ perSecond: 14, etaSeconds: 1200, limitedBy: 'relay 14/s' }),
  );
  expect(summary).toBe(
    '"March" is sending: 600 of 1,000 messages are done at 14 a second; about 20 min left: 400 queued, 600 sent.',
  );
  expect(waitsFor).toBe('its turn: relay 14/s');
  expect(advice).toEqual([]);
  expect(timeline.map(({ text }) => text)).toEqual(['created', 'sending of 1,000 messages began']);
});

test.each<[string, Partial<BatchFacts>, string | null, RegExp | null]>([
  ['recipients', { state: 'draft', total: 0, counts: counts({}) }, 'recipients, and then to be sent', null],
  ['somebody to send it', { state: 'draft' }, 'somebody to send it', /api\/batches\/B\/send/],
  ['its time', { state: 'scheduled', scheduledAt: at(30) }, 'its time, 2026-03-01T09:30:00.000Z', null],
  ['a decision', { state: 'paused', note: 'its time was missed' }, 'its time was missed', /batch resume B/],
  [
    'its provider',
    { provider: { name: 'relay', state: 'paused', pauseReason: '535 refused' } },
    'its provider relay, which is paused: 535 refused',
    /provider resume relay/,
  ],
  ['quiet hours', { note: 'quiet hours until 08:00' }, 'quiet hours until 08:00', null],
  ['a sender', { senders: 0 }, 'a sender: no process with that role is alive', /batchsender up/],
  [
    'a retry',
    { counts: counts({ sent: 990, deferred: 10 }), nextRetryAt: at(40) },
    'the next try of 10 messages at 2026-03-01T09:40:00.000Z',
    null,
  ],
  ['nothing, when finished', { state: 'completed', counts: counts({ sent: 1000 }) }, null, null],
])('a batch that waits for %s', (_, over, waitsFor, advice) => {
  const explained = explainBatch(batch(over));
  expect(explained.waitsFor).toBe(waitsFor);
  if (advice) expect(explained.advice.join('\n')).toMatch(advice);
});

test('failures are told by reason, the commonest first, each with its remedy and the provider’s words', () => {
  const { advice } = explainBatch(
    batch({
      state: 'completed',
      counts: counts({ sent: 940, failed: 50, uncertain: 10 }),
      reasons: [
        { code: '5.1.1', detail: 'no such user', count: 30 },
        { code: 'template_variable_missing', detail: 'name', count: 20 },
      ],
    }),
  );
  expect(advice[0]).toBe('30 × 5.1.1: the address does not exist ("no such user"); clean the list');
  expect(advice[1]).toContain('recipients lack a variable ("name")');
  expect(advice.join('\n')).toContain('batch retry B --state failed');
  expect(advice.join('\n')).toContain('10 messages may or may not have been delivered');
});

const message = (over: Partial<MessageFacts>): MessageFacts => ({
  id: 'B.7',
  address: 'ann@example.com',
  state: 'sent',
  attempts: 1,
  code: null,
  detail: null,
  temporary: false,
  providerMessageId: 'x-1',
  updatedAt: at(3),
  nextRetryAt: null,
  tried: [],
  batch: batch({}),
  ...over,
});

test('a message tells what became of it, attempt by attempt', () => {
  const explained = explainMessage(
    message({
      attempts: 2,
      tried: [{ at: at(2), outcome: 'deferred', code: '4.7.1', detail: 'greylisted' }],
    }),
  );
  expect(explained.summary).toBe(
    'Message B.7 to ann@example.com was taken over by the provider after 2 attempts. relay knows it as x-1.',
  );
  expect(explained.timeline.map(({ text }) => text)).toEqual([
    'created',
    'sending of 1,000 messages began',
    'deferred: 4.7.1, greylisted',
    'sent',
  ]);
});

test.each<[Partial<MessageFacts>, RegExp, string | null, RegExp | null]>([
  [
    { state: 'deferred', nextRetryAt: at(9) },
    /tried again/,
    'its next try at 2026-03-01T09:09:00.000Z',
    null,
  ],
  [
    { state: 'queued' },
    /waits in the queue/,
    'its turn: other batches are before it, or the provider is slow',
    null,
  ],
  [
    { state: 'failed', code: '5.7.1', detail: 'spam' },
    /failed for good \(5\.7\.1: spam\)/,
    null,
    /SPF, DKIM, DMARC/,
  ],
  [{ state: 'uncertain' }, /may or may not have been delivered/, null, /it may arrive twice/],
  [{ state: 'suppressed' }, /on the suppression list/, null, null],
  [{ state: 'complained' }, /complained/, null, /suppressed; nothing more/],
])('a message that is %j', (over, summary, waitsFor, advice) => {
  const explained = explainMessage(message({ providerMessageId: null, ...over }));
  expect(explained.summary).toMatch(summary);
  expect(explained.waitsFor).toBe(waitsFor);
  if (advice) expect(explained.advice.join('\n')).toMatch(advice);
});
