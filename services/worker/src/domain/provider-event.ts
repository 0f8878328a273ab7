import { MESSAGE_STATES, type MessageState } from './message-state.ts';

/** What a provider tells of a message later, normalised. */
export interface ProviderEvent {
  accountId: string;
  batchId: string;
  n: number;
  type: 'delivered' | 'bounced' | 'complained';
  /** The address itself is dead, for bounces. */
  permanent: boolean;
  code: string | null;
  detail: string | null;
}

export const PROVIDER_EVENT_TYPES = ['delivered', 'bounced', 'complained'] as const;

const STATE_OF: Record<ProviderEvent['type'], MessageState> = {
  delivered: 'delivered',
  bounced: 'bounced',
  complained: 'complained',
};

export function stateOf(event: ProviderEvent): MessageState {
  return STATE_OF[event.type];
}

/** States from which events move a message on, and only upwards: a late "delivered" never hides a complaint. */
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
export function strongest(events: ProviderEvent[]): ProviderEvent[] {
  const byMessage = new Map<string, ProviderEvent>();
  for (const event of events) {
    const key = `${event.batchId}.${event.n}`;
    const known = byMessage.get(key);
    if (!known || MESSAGE_STATES[stateOf(event)] > MESSAGE_STATES[stateOf(known)]) byMessage.set(key, event);
  }
  return [...byMessage.values()];
}
