/**
 * Generic cell rate algorithm (GCRA): one number per limit, the theoretical arrival time. Exact, needs no
 * timer, and never lets more than `burst` + rate × T through in any T.
 */
export interface RateLimit {
  /** Tokens per period. */
  amount: number;
  periodMs: number;
  /** Tokens that may go at once after a quiet time; at least 1. */
  burst: number;
  /** For people: "14/s". */
  label: string;
}

/** When `count` tokens may be used, and the state after that. Times in milliseconds of one clock. */
export function reserve(
  limit: RateLimit,
  tatMs: number,
  nowMs: number,
  count: number,
): { atMs: number; tatMs: number } {
  const intervalMs = limit.periodMs / limit.amount;
  const newTat = Math.max(tatMs, nowMs) + intervalMs * count;
  const atMs = Math.max(nowMs, newTat - intervalMs * limit.burst);
  return { atMs, tatMs: newTat };
}

export interface ProviderLimits {
  perSecond?: number;
  perMinute?: number;
  perDay?: number;
  /** Messages in flight at once. */
  concurrency?: number;
  /** Messages per second to any one recipient domain. */
  perDomainPerSecond?: number;
  /** Messages per second from any one sender address. */
  perSenderPerSecond?: number;
}

/**
 * Part of a second's allowance that may go at once. With the tokens that senders hold (token-bucket.ts) any
 * one-second window stays below the limit plus a tenth of it.
 */
const BURST_PART = 0.04;

/** The limits as GCRA parameters, tightest period first. */
export function rateLimitsOf(limits: ProviderLimits): RateLimit[] {
  const list: RateLimit[] = [];
  if (limits.perSecond) list.push(rateOf(limits.perSecond, 1000, 's'));
  if (limits.perMinute) list.push(rateOf(limits.perMinute, 60_000, 'min'));
  if (limits.perDay) list.push(rateOf(limits.perDay, 86_400_000, 'day'));
  return list;
}

export function rateOf(amount: number, periodMs: number, unit: string): RateLimit {
  const perSecond = (amount * 1000) / periodMs;
  return {
    amount,
    periodMs,
    burst: Math.max(1, Math.floor(perSecond * BURST_PART)),
    label: `${amount}/${unit}`,
  };
}

/** Messages per second that the limits allow in the long run; Infinity without a limit. */
export function sustainedPerSecond(limits: ProviderLimits): number {
  const rates = rateLimitsOf(limits).map((limit) => (limit.amount * 1000) / limit.periodMs);
  return rates.length ? Math.min(...rates) : Number.POSITIVE_INFINITY;
}
