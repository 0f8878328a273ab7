import { MESSAGE_STATES, type MessageState } from './message-state.ts';

/** What a provider may tell of a message after it took it. */
export const PROVIDER_EVENT_TYPES = [
  ...(['sent', 'delivered', 'deferred', 'bounced', 'suppressed', 'failed', 'complained'] as const),
  ...(['unsubscribed', 'opened', 'clicked'] as const),
] as const;
export type ProviderEventType = (typeof PROVIDER_EVENT_TYPES)[number];

/** An event as any provider's format is read; see domain/events/. */
export interface ReceivedEvent {
  type: ProviderEventType;
  /** The address itself is dead, for bounced, suppressed and failed; null where that has no meaning. */
  permanent: boolean | null;
  address: string | null;
  provider_message_id: string | null;
  /** Our own id of the message, as far as the provider gives it back. */
  messageId: string | null;
  timestamp: Date;
  code: string | null;
  detail: string | null;
  /** The link, for clicks. */
  url?: string;
  /** A machine opened it, not a person. */
  machine?: boolean;
  /** The same event has the same id however often it comes; null when coming again changes nothing. */
  eventId: string | null;
}

/** An event of one of our messages, on its way to it. */
export interface ProviderEvent {
  accountId: string;
  batchId: string;
  n: number;
  type: ProviderEventType;
  /** The address itself is dead. */
  permanent: boolean;
  code: string | null;
  detail: string | null;
  /** The link, for clicks. */
  url?: string;
}

/** Types that change the state of a message. */
const STATE_OF: Partial<Record<ProviderEventType, MessageState>> = {
  delivered: 'delivered',
  bounced: 'bounced',
  complained: 'complained',
  failed: 'failed',
  suppressed: 'suppressed',
};

/** The state that an event leads to; null for one that only tells. */
export function stateOf({ type }: Pick<ProviderEvent, 'type'>): MessageState | null {
  return STATE_OF[type] ?? null;
}

/** Said of steps that change nothing here: the provider took it, or goes on trying. */
export function isStep({ type }: Pick<ProviderEvent, 'type'>): boolean {
  return type === 'sent' || type === 'deferred';
}

/** Who is not to be written to again, as a provider's word. */
export function isDead({ type, permanent }: Pick<ProviderEvent, 'type'> & { permanent: boolean | null }) {
  return (
    type === 'complained' ||
    type === 'unsubscribed' ||
    (permanent === true && (type === 'bounced' || type === 'suppressed'))
  );
}

export const RANK_SENT = 1;
export const RANK_TEMPORARY = 2;
export const RANK_DELIVERED = 3;
export const RANK_DEAD = 4;
const RANK_COMPLAINED = 5;

/**
 * How much an event says. A statement is replaced by a stronger one only, in whatever order they come: a temporary
 * failure is followed by a delivery, a delivery by a bounce, and nothing weakens a complaint.
 */
export function rankOf(event: Pick<ProviderEvent, 'type'> & { permanent: boolean | null }): number {
  switch (event.type) {
    case 'complained':
      return RANK_COMPLAINED;
    case 'bounced':
    case 'suppressed':
      return event.permanent ? RANK_DEAD : RANK_TEMPORARY;
    case 'delivered':
      return RANK_DELIVERED;
    case 'failed':
      return RANK_TEMPORARY;
    default:
      return 0;
  }
}

/** States from which events move a message on. */
export const EVENT_FROM: readonly number[] = [
  MESSAGE_STATES.sent,
  MESSAGE_STATES.delivered,
  MESSAGE_STATES.bounced,
  MESSAGE_STATES.uncertain,
];

/** The message an id that was echoed back stands for (`<batch id>.<n>`), or null. */
export function parseMessageId(id: string): { batchId: string; n: number } | null {
  const found =
    /^([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.([1-9]\d{0,9})$/.exec(id);
  return found ? { batchId: found[1]!, n: Number(found[2]) } : null;
}

/** One event a message: of several that came together, the one that says most. */
export function strongest<Event extends Pick<ProviderEvent, 'type' | 'permanent'>>(
  events: Event[],
  keyOf: (event: Event) => string | number,
): Event[] {
  const byMessage = new Map<string | number, Event>();
  for (const event of events) {
    const key = keyOf(event);
    const known = byMessage.get(key);
    if (!known || rankOf(event) > rankOf(known)) byMessage.set(key, event);
  }
  return [...byMessage.values()];
}
