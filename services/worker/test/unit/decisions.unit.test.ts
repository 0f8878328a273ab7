import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BATCH_ACTIONS, BATCH_STATES, transition } from '../../src/domain/batch-state.ts';
import { followUp } from '../../src/domain/follow-up.ts';
import { stateName } from '../../src/domain/message-state.ts';
import * as outcome from '../../src/domain/outcome.ts';
import { rateLimitsOf, reserve, sustainedPerSecond } from '../../src/domain/rate.ts';
import { backoffMs, DEFAULT_RETRY_POLICY } from '../../src/domain/retry.ts';
import { uuid7 } from '../../src/domain/uuid7.ts';
import { LaneLimiter } from '../../src/pipeline/lane-limiter.ts';
import { LeaseClock } from '../../src/pipeline/lease.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const follow = (one: outcome.Outcome, attempt = 1, startedAt = NOW) =>
  followUp(one, attempt, DEFAULT_RETRY_POLICY, startedAt, NOW, 0.5, false);

describe('what follows from an outcome', () => {
  test('acceptance is final and counted', () => {
    expect(follow(outcome.accepted('id'))).toMatchObject({
      state: 'sent',
      countsAsAttempt: true,
      providerMessageId: 'id',
      dueAt: null,
    });
  });
  test('a deferral is tried again after the delay the provider named, or a growing one', () => {
    expect(follow(outcome.deferred('x', 'y', 600_000)).dueAt).toEqual(new Date(NOW.getTime() + 600_000));
    expect(follow(outcome.deferred('x', 'y')).dueAt).toEqual(new Date(NOW.getTime() + 30_000));
    expect(follow(outcome.deferred('x', 'y'), 3).dueAt).toEqual(new Date(NOW.getTime() + 270_000));
  });
  test('the last attempt and the maximum age end in failure that says so', () => {
    expect(follow(outcome.deferred('smtp_451', 'greylisted'), 8)).toMatchObject({
      state: 'failed',
      code: 'gave_up',
      detail: expect.stringContaining('8 attempts'),
    });
    expect(follow(outcome.deferred('x', 'y'), 2, new Date(NOW.getTime() - 48 * 3_600_000))).toMatchObject({
      state: 'failed',
      code: 'gave_up',
    });
  });
  test('"too fast" never counts as an attempt', () => {
    expect(follow(outcome.rateLimited('http_429', 'slow down', 5000), 100)).toMatchObject({
      state: 'deferred',
      countsAsAttempt: false,
    });
  });
  test('refused credentials and unsent messages stay queued', () => {
    expect(follow(outcome.credentialsRefused('x', 'y')).state).toBe('queued');
    expect(follow(outcome.UNSENT).state).toBe('queued');
  });
  test('details lose control characters and length', () => {
    expect(outcome.failed('x', `a\r\nb\0${'c'.repeat(1000)}`)).toMatchObject({
      detail: expect.stringMatching(/^a b c{496}$/),
    });
  });
});

test('the waits between attempts grow, stay below the cap and differ', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoffMs(DEFAULT_RETRY_POLICY, attempt, 0.5));
  expect(waits).toEqual([...waits].sort((a, b) => a - b));
  expect(backoffMs(DEFAULT_RETRY_POLICY, 50, 0.99)).toBeLessThan(DEFAULT_RETRY_POLICY.capMs * 1.2);
  expect(backoffMs(DEFAULT_RETRY_POLICY, 1, 0)).toBeLessThan(backoffMs(DEFAULT_RETRY_POLICY, 1, 0.9));
});

test('GCRA never lets more than the burst plus rate × time through', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 300 }),
      (perSecond, gaps) => {
        const [limit] = rateLimitsOf({ perSecond });
        let [tat, now] = [0, 1000];
        const times: number[] = [];
        for (const gap of gaps) {
          now += gap;
          const slot = reserve(limit!, tat, now, 1);
          tat = slot.tatMs;
          times.push(slot.atMs);
        }
        for (const start of times) {
          const inWindow = times.filter((at) => at >= start && at < start + 1000).length;
          expect(inWindow).toBeLessThanOrEqual(perSecond + limit!.burst + 1);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('the sustained rate is that of the tightest limit', () => {
  expect(sustainedPerSecond({ perSecond: 14, perMinute: 600 })).toBe(10);
  expect(sustainedPerSecond({})).toBe(Number.POSITIVE_INFINITY);
});

test('a lane slows down when the provider says "too fast", says so, and recovers', () => {
  let now = 10_000;
  const limiter = new LaneLimiter({
    lane: 'l',
    limits: { perSecond: 100 },
    senders: 1,
    shared: null,
    now: () => now,
  });
  limiter.slowDown(3000);
  now += 3000;
  expect(limiter.describe()).toBe('100/s, slowed to 50 % because the provider said "too fast"');
  now += 20_000;
  expect(limiter.describe()).toBe('100/s');
});

test('several senders share a limit', () => {
  const limiter = new LaneLimiter({ lane: 'l', limits: { perSecond: 100 }, senders: 4, shared: null });
  expect(limiter.unlimited).toBe(false);
  expect(new LaneLimiter({ lane: 'l', limits: {}, senders: 4, shared: null }).unlimited).toBe(true);
});

test('a lease is known to be over before it is, and after the process slept', async () => {
  let now = 0;
  const lease = new LeaseClock(1000, () => now);
  expect(lease.valid).toBe(false);
  await lease.during(async () => {
    now += 300;
  });
  expect(lease.valid).toBe(true);
  now += 600;
  expect(lease.valid).toBe(false);
});

test('every action on every state of a batch is decided', () => {
  const table = BATCH_STATES.map((state) => [
    state,
    ...BATCH_ACTIONS.map((action) => transition(state, action)),
  ]);
  expect(table).toEqual([
    // state, send, pause, resume, cancel
    ['draft', 'sending', null, null, 'cancelled'],
    ['scheduled', 'sending', 'paused', null, 'cancelled'],
    ['sending', null, 'paused', 'sending', 'cancelled'],
    ['paused', null, 'paused', 'sending', 'cancelled'],
    ['completed', null, null, null, null],
    ['cancelled', null, null, null, 'cancelled'],
  ]);
});

test('open rows of a cancelled batch are shown as cancelled, final ones as they are', () => {
  expect(stateName(0, false)).toBe('queued');
  expect(stateName(0, true)).toBe('cancelled');
  expect(stateName(2, true)).toBe('cancelled');
  expect(stateName(3, true)).toBe('sent');
});

test('UUIDv7s sort by time and carry version and variant', () => {
  const ids = [1000, 2000, 2_000_000_000_000].map((at) => uuid7(at));
  expect([...ids].sort()).toEqual(ids);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('a recipient domain and a sender address have rates of their own', async () => {
  let now = 1000;
  const limits = { perDomainPerSecond: 10, perSenderPerSecond: 1000 };
  const limiter = new LaneLimiter({ lane: 'l', limits, senders: 1, shared: null, now: () => now });
  const signal = new AbortController().signal;
  const take = (domain: string) =>
    limiter.take(signal, { senderAddress: 'a@b.co', recipientDomain: domain, want: 1 });
  expect(await take('one.example')).toBe(true);
  const waiting = take('one.example');
  expect(await take('two.example')).toBe(true);
  expect(await Promise.race([waiting.then(() => 'sent'), Promise.resolve('waits')])).toBe('waits');
  now += 200;
  expect(await waiting).toBe(true);
});
