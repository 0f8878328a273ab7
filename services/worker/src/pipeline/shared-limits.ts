import type { RateLimit } from '../domain/rate.ts';

export interface TokenLease {
  /** Tokens that may be used at once; 0 when there is none yet. */
  granted: number;
  /** Time until one token is there, milliseconds; 0 when some were granted. */
  waitMs: number;
}

export interface SeatRequest {
  /** Messages in flight that the provider allows, all senders together. */
  limit: number;
  /** Messages of this sender in flight now; they keep their seats. */
  inFlight: number;
  /** False gives back what is not in flight. */
  wanted: boolean;
  /** Live senders, as this one knows them. */
  senders: number;
}

/**
 * One rate and one concurrency for many senders. Implemented on Dragonfly (Redis protocol). Null means: the
 * store cannot be reached, and the others no longer count this sender in, so it keeps to its share.
 */
export interface SharedLimits {
  /** Up to `want` tokens of the key. */
  lease(key: string, limits: RateLimit[], want: number, senders: number): Promise<TokenLease | null>;
  /** How many messages this sender may have in flight until it asks again. */
  seats(key: string, request: SeatRequest): Promise<number | null>;
}
