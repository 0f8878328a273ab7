import { expect, test } from 'vitest';
import { type OpenBatch, StallClock } from '../../src/domain/stalls.ts';
import { LabelLimit } from '../../src/metrics/label-limit.ts';
import { RateMeter } from '../../src/metrics/rate-meter.ts';

const batch = (over: Partial<OpenBatch>): OpenBatch => ({
  id: 'a',
  provider: 'smtp',
  inQueue: 10,
  settled: 5,
  held: false,
  ...over,
});

test('a batch is stalled from the moment it last moved', () => {
  const clock = new StallClock();
  expect(clock.observe([batch({})], 0).get('a')).toBe(0);
  expect(clock.observe([batch({})], 60_000).get('a')).toBe(60);
  expect(clock.observe([batch({ settled: 6 })], 90_000).get('a')).toBe(0);
  expect(clock.observe([batch({ settled: 6 })], 100_000).get('a')).toBe(10);
});

test.each([
  ['held on purpose', { held: true }],
  ['waiting for retries only', { inQueue: 0 }],
] as [string, Partial<OpenBatch>][])('a batch that is %s is not stalled, nor right afterwards', (_, over) => {
  const clock = new StallClock();
  clock.observe([batch({})], 0);
  expect(clock.observe([batch(over)], 60_000).get('a')).toBe(0);
  expect(clock.observe([batch({})], 61_000).get('a')).toBe(1);
});

test('a batch that is gone is forgotten', () => {
  const clock = new StallClock();
  clock.observe([batch({})], 0);
  clock.observe([], 1000);
  expect(clock.observe([batch({})], 60_000).get('a')).toBe(0);
});

test('the speed is that of the whole seconds that passed, at most ten, and falls to zero', () => {
  let now = 0;
  const meter = new RateMeter(() => now);
  const second = (count: number) => {
    for (let i = 0; i < count; i++) meter.add();
    now += 1000;
  };
  expect(meter.perSecond()).toBe(0);
  second(100);
  expect(meter.perSecond()).toBe(100);
  second(50);
  expect(meter.perSecond()).toBe(75);
  for (let i = 0; i < 10; i++) second(20);
  expect(meter.perSecond()).toBe(20);
  now += 60_000;
  expect(meter.perSecond()).toBe(0);
});

test('a label has a bounded number of values', () => {
  const limit = new LabelLimit();
  for (let i = 0; i < 100; i++) expect(limit.of(`p${i}`)).toBe(`p${i}`);
  expect(limit.of('one more')).toBe('_other');
  expect(limit.of('p7')).toBe('p7');
});
