/**
 * What a provider made of one message. A value, made only by the constructors below; what follows from it
 * is decided in one place, `follow-up.ts`.
 */
export type Outcome =
  | { kind: 'accepted'; providerMessageId: string | null }
  | { kind: 'deferred'; code: string; detail: string; retryAfterMs: number | null }
  | { kind: 'rate_limited'; code: string; detail: string; retryAfterMs: number | null }
  | { kind: 'failed'; code: string; detail: string; suppress: boolean }
  | { kind: 'credentials_refused'; code: string; detail: string }
  | { kind: 'uncertain'; code: string; detail: string }
  | { kind: 'suppressed'; code: string; detail: string }
  | { kind: 'unavailable'; code: string; detail: string }
  | { kind: 'unsent' };

/** The provider took the message over. */
export function accepted(providerMessageId: string | null = null): Outcome {
  return { kind: 'accepted', providerMessageId };
}

/** A temporary refusal: try again, after `retryAfterMs` if the provider named a delay. */
export function deferred(code: string, detail: string, retryAfterMs: number | null = null): Outcome {
  return { kind: 'deferred', code, detail: clip(detail), retryAfterMs };
}

/** Too fast: try again later and slower. Never counts as a failed attempt. */
export function rateLimited(code: string, detail: string, retryAfterMs: number | null = null): Outcome {
  return { kind: 'rate_limited', code, detail: clip(detail), retryAfterMs };
}

/** Final for this recipient or message. `suppress`: the address itself is dead. */
export function failed(code: string, detail: string, suppress = false): Outcome {
  return { kind: 'failed', code, detail: clip(detail), suppress };
}

/** Our credentials were refused: the provider pauses, the message stays queued. */
export function credentialsRefused(code: string, detail: string): Outcome {
  return { kind: 'credentials_refused', code, detail: clip(detail) };
}

/** The provider as a whole does not answer: nothing was handed over, the message stays queued, the lane waits. */
export function unavailable(code: string, detail: string): Outcome {
  return { kind: 'unavailable', code, detail: clip(detail) };
}

/** It may or may not have been taken over, for instance a connection lost after the message was written. */
export function uncertain(code: string, detail: string): Outcome {
  return { kind: 'uncertain', code, detail: clip(detail) };
}

/** The address is on the account's suppression list; nothing was handed to the provider. */
export function suppressed(detail: string): Outcome {
  return { kind: 'suppressed', code: 'suppressed', detail: clip(detail) };
}

/** Nothing was handed to the provider (paused, stopping, lease lost): the message stays queued. */
export const UNSENT: Outcome = { kind: 'unsent' };

const MAX_DETAIL_CHARS = 500;

/** Providers echo long replies; a row keeps the part a person reads. Control characters are not for rows. */
function clip(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .trim()
    .slice(0, MAX_DETAIL_CHARS);
}
