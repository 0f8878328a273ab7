import type { MessageState } from './message-state.ts';
import type { Outcome } from './outcome.ts';
import { backoffMs, type RetryPolicy } from './retry.ts';

/** What is written for a message after an attempt. */
export interface FollowUp {
  state: MessageState;
  /** Whether the attempt counts against the retry policy. */
  countsAsAttempt: boolean;
  /** When a deferred message is due again. */
  dueAt: Date | null;
  code: string | null;
  detail: string | null;
  providerMessageId: string | null;
}

/**
 * The one place that decides what an outcome leads to.
 *
 * @param attempt number of this attempt, from 1
 * @param acceptedAt when the batch started, for the maximum age
 * @param random in [0, 1), for the jitter
 * @param idempotent the provider takes the same message twice without delivering it twice, so an unclear outcome is
 *   cleared up by sending again under the same id
 */
export function followUp(
  outcome: Outcome,
  attempt: number,
  policy: RetryPolicy,
  acceptedAt: Date,
  now: Date,
  random: number,
  idempotent: boolean,
): FollowUp {
  switch (outcome.kind) {
    case 'accepted':
      return {
        ...NOTHING,
        state: 'sent',
        countsAsAttempt: true,
        providerMessageId: outcome.providerMessageId,
      };
    case 'failed':
      return {
        ...NOTHING,
        state: 'failed',
        countsAsAttempt: true,
        code: outcome.code,
        detail: outcome.detail,
      };
    case 'uncertain': {
      const again = idempotent
        ? later(
            { ...outcome, kind: 'deferred', retryAfterMs: null },
            attempt,
            policy,
            acceptedAt,
            now,
            random,
            true,
          )
        : null;
      if (again?.state === 'deferred') return again;
      return {
        ...NOTHING,
        state: 'uncertain',
        countsAsAttempt: true,
        code: outcome.code,
        detail: outcome.detail,
      };
    }
    case 'suppressed':
      return { ...NOTHING, state: 'suppressed', code: outcome.code, detail: outcome.detail };
    case 'unsent':
    case 'credentials_refused':
      return NOTHING;
    case 'unavailable':
      return now.getTime() - acceptedAt.getTime() > policy.maxAgeMs
        ? {
            ...NOTHING,
            state: 'failed',
            code: 'gave_up',
            detail: `the provider did not answer until the end: ${outcome.detail}`,
          }
        : NOTHING;
    case 'rate_limited':
      return later(outcome, attempt, policy, acceptedAt, now, random, false);
    case 'deferred':
      return later(outcome, attempt, policy, acceptedAt, now, random, true);
  }
}

const NOTHING: FollowUp = {
  state: 'queued',
  countsAsAttempt: false,
  dueAt: null,
  code: null,
  detail: null,
  providerMessageId: null,
};

function later(
  outcome: Extract<Outcome, { kind: 'deferred' | 'rate_limited' }>,
  attempt: number,
  policy: RetryPolicy,
  acceptedAt: Date,
  now: Date,
  random: number,
  countsAsAttempt: boolean,
): FollowUp {
  const { code, detail } = outcome;
  const gaveUp = (why: string): FollowUp => ({
    ...NOTHING,
    state: 'failed',
    countsAsAttempt,
    code: 'gave_up',
    detail: `${why}; last answer ${code}: ${detail}`,
  });
  if (countsAsAttempt && attempt >= policy.maxAttempts) return gaveUp(`${attempt} attempts failed`);
  const waitMs = Math.max(
    outcome.retryAfterMs ?? 0,
    backoffMs(policy, countsAsAttempt ? attempt : 1, random),
  );
  const dueAt = new Date(now.getTime() + waitMs);
  if (dueAt.getTime() - acceptedAt.getTime() > policy.maxAgeMs) {
    return gaveUp(
      `the next try would be later than ${Math.round(policy.maxAgeMs / 3_600_000)} h after the start`,
    );
  }
  return { ...NOTHING, state: 'deferred', countsAsAttempt, dueAt, code, detail };
}
