/**
 * The states of a message. `queued`, `sending` and `deferred` are open, all others final until a provider
 * event moves them on (sent → delivered → complained, …). The number is what `messages.state` stores;
 * `sending` is never stored in a row: it is the part of a leased chunk that is marked but not settled.
 */
export const MESSAGE_STATES = {
  queued: 0,
  sending: 1,
  deferred: 2,
  sent: 3,
  delivered: 4,
  bounced: 5,
  complained: 6,
  failed: 7,
  suppressed: 8,
  cancelled: 9,
  uncertain: 10,
} as const;

export type MessageState = keyof typeof MESSAGE_STATES;

export const MESSAGE_STATE_NAMES = Object.keys(MESSAGE_STATES) as MessageState[];

const OPEN: readonly MessageState[] = ['queued', 'sending', 'deferred'];

/** How many messages are in each state; the sum is the batch's total at every moment. */
export type StateCounts = Record<MessageState, number>;

export function totalOf(counts: StateCounts): number {
  return MESSAGE_STATE_NAMES.reduce((sum, state) => sum + counts[state], 0);
}

/** Messages that still have something to happen to them. */
export function openOf(counts: StateCounts): number {
  return OPEN.reduce((sum, state) => sum + counts[state], 0);
}

/** The state a row's number stands for, as a user sees it: open rows of a cancelled batch are cancelled. */
export function stateName(stored: number, batchCancelled: boolean): MessageState {
  const name = MESSAGE_STATE_NAMES[stored];
  if (!name) throw new RangeError(`unknown message state ${stored}`);
  return batchCancelled && OPEN.includes(name) ? 'cancelled' : name;
}
