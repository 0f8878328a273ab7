import { expect, test } from 'vitest';
import { shareOf } from '../../src/pipeline/lane-seats.ts';
import { Slots } from '../../src/pipeline/slots.ts';

test('shares of all senders add up to the limit, also with more senders than places', () => {
  for (const [limit, senders] of [
    [10, 3],
    [1, 4],
    [7, 7],
    [100, 1],
  ] as const) {
    const shares = Array.from({ length: senders }, (_, rank) => shareOf(limit, senders, rank));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(limit);
  }
});

test('fewer places take effect as messages come back, more at once', async () => {
  const slots = new Slots(2);
  expect([slots.tryTake(), slots.tryTake(), slots.tryTake()]).toEqual([true, true, false]);
  const waiting = [slots.turn(), slots.turn()];
  slots.resize(1);
  slots.give();
  expect(slots.inFlight).toBe(1);
  slots.resize(3);
  expect(await Promise.all(waiting)).toEqual([true, true]);
  expect(slots.inFlight).toBe(3);
});

test('waiting for a place ends when it is woken and takes none', async () => {
  const slots = new Slots(0);
  const turn = slots.turn();
  slots.wake();
  expect(await turn).toBe(false);
  slots.resize(1);
  expect(slots.tryTake()).toBe(true);
});
