import type { RateLimit } from '../domain/rate.ts';

export interface TokenLease {
  /** Tokens that may be used at once; 0 when there is none yet. */
  granted: number;
  /** Time until one token is there, milliseconds; 0 when some were granted. */
  waitMs: number;
}

/** One rate for many senders. Implemented on Dragonfly (Redis protocol). */
export interface SharedRate {
  /** Up to `want` tokens of the key, or null when the store cannot be reached. */
  lease(key: string, limits: RateLimit[], want: number): Promise<TokenLease | null>;
}
