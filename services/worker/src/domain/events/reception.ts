import type { ReceivedEvent } from '../provider-event.ts';

/** A request to /webhooks as it came. */
export interface EventRequest {
  /** Path and query as they were asked for, byte for byte. */
  path: string;
  /** Names in lower case. */
  headers: Record<string, string | undefined>;
  body: Buffer;
}

/** What the operator told of the provider's webhooks. */
export interface EventCredentials {
  /** Signing secrets, or a password; several while one is replaced. */
  secrets: readonly string[];
  publicKeys: readonly string[];
  /** Topics of SNS that are ours. */
  topics: readonly string[];
  /** Address under which the provider reaches us, without a slash at its end; null when nobody said. */
  publicUrl: string | null;
}

/** What reading a request needs from outside. */
export interface EventSurroundings {
  now: Date;
  /** PEM of a certificate; asked for addresses of the provider only. */
  certificate(url: string): Promise<string>;
}

/**
 * What a request was: events, nothing that concerns us, a question whether we want them, or not from the provider.
 * `unknown_key`: authentic, but not for an account or topic of ours.
 */
export type Reception =
  | { outcome: 'accepted'; events: ReceivedEvent[] }
  | { outcome: 'ignored' }
  | { outcome: 'confirm_subscription'; confirm_url: string }
  | { outcome: 'rejected'; reason: 'bad_signature' | 'stale' | 'unknown_key' };

/** Reads one provider's webhooks: whether it is from there, and what it says. */
export type EventFormat = (
  request: EventRequest,
  credentials: EventCredentials,
  surroundings: EventSurroundings,
) => Promise<Reception> | Reception;

export const rejected = (reason: 'bad_signature' | 'stale' | 'unknown_key'): Reception => ({
  outcome: 'rejected',
  reason,
});

/** Events, or "ignored" when there is none: types that mean nothing to sending come without notice. */
export function reception(events: ReceivedEvent[]): Reception {
  return events.length ? { outcome: 'accepted', events } : { outcome: 'ignored' };
}

/** An event with what most of them do not have left empty. */
export function received(
  event: Pick<ReceivedEvent, 'type' | 'address' | 'provider_message_id' | 'timestamp' | 'eventId'> &
    Partial<ReceivedEvent>,
): ReceivedEvent {
  return { permanent: null, messageId: null, code: null, detail: null, ...event };
}

const OUR_ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}[._][1-9]\d{0,9}/;

/** Our id in what a provider gives back: a Message-ID, a tag, a parameter; "_" stands for "." where that is not allowed. */
export function ourId(texts: readonly unknown[]): string | null {
  for (const text of texts) {
    const found = typeof text === 'string' ? OUR_ID.exec(text) : null;
    if (found) return found[0].replace('_', '.');
  }
  return null;
}
