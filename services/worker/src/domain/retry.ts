/** How a temporarily refused message is tried again. */
export interface RetryPolicy {
  maxAttempts: number;
  /** Wait before the second attempt, milliseconds. */
  baseMs: number;
  /** Longest wait between two attempts, milliseconds. */
  capMs: number;
  /** No attempt is made later than this after the batch started, milliseconds. */
  maxAgeMs: number;
}

/**
 * Eight attempts within about a day. RFC 5321 §4.5.4.1 asks for at least 30 minutes between tries of one
 * host in the long run and 4-5 days before giving up; a batch is rarely worth reading after two days.
 */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  maxAttempts: 8,
  baseMs: 30_000,
  capMs: 4 * 3_600_000,
  maxAgeMs: 48 * 3_600_000,
};

const BACKOFF_FACTOR = 3;
/** Part of the wait that is random, so that a burst of refusals does not come back as a burst. */
const JITTER = 0.3;

/** Wait after attempt number `attempt` (from 1), milliseconds; `random` in [0, 1). */
export function backoffMs(policy: RetryPolicy, attempt: number, random: number): number {
  const exact = Math.min(policy.capMs, policy.baseMs * BACKOFF_FACTOR ** (attempt - 1));
  return Math.round(exact * (1 - JITTER / 2 + JITTER * random));
}
