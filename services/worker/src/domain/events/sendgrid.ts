import { createPublicKey, createVerify } from 'node:crypto';
import type { ProviderEventType, ReceivedEvent } from '../provider-event.ts';
import { isDeadAddress } from '../smtp-reply.ts';
import { jsonOf, type Loose, listOf, textOf, timeOf } from './json.ts';
import { type EventFormat, ourId, received, reception, rejected } from './reception.ts';

/** https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event */
const TYPES: Record<string, ProviderEventType> = {
  processed: 'sent',
  delivered: 'delivered',
  deferred: 'deferred',
  bounce: 'bounced',
  spamreport: 'complained',
  unsubscribe: 'unsubscribed',
  group_unsubscribe: 'unsubscribed',
  open: 'opened',
  click: 'clicked',
};
/** Reasons of "dropped" that stand for its own lists; all others are about the message. */
const ON_A_LIST = /bounced address|unsubscribed address|spam reporting address|invalid/i;

/** SendGrid: ECDSA over the time and the raw bytes; one request carries many events. */
export const sendgrid: EventFormat = (request, { publicKeys }, { now }) => {
  const signature = request.headers['x-twilio-email-event-webhook-signature'];
  const timestamp = request.headers['x-twilio-email-event-webhook-timestamp'];
  if (!signature || !timestamp) return rejected('bad_signature');
  if (!publicKeys.some((key) => isSigned(key, signature, timestamp, request.body)))
    return rejected('bad_signature');
  const seen = new Set<string | null>();
  const events = listOf(jsonOf(request.body)).flatMap((event) => eventOf(event, now));
  return reception(
    events.filter(({ eventId }) => eventId === null || (!seen.has(eventId) && seen.add(eventId))),
  );
};

function isSigned(publicKey: string, signature: string, timestamp: string, body: Buffer): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
    return createVerify('SHA256').update(timestamp).update(body).verify(key, signature, 'base64');
  } catch {
    return false;
  }
}

function eventOf(event: Loose, now: Date): ReceivedEvent[] {
  const name = textOf(event.event) ?? '';
  const reason = textOf(event.reason);
  const dropped = ON_A_LIST.test(reason ?? '') ? 'suppressed' : 'failed';
  const type = name === 'dropped' ? dropped : TYPES[name];
  if (!type) return [];
  return [
    received({
      type,
      permanent: permanenceOf(type, event),
      address: textOf(event.email),
      // What follows the first dot differs from event to event.
      provider_message_id: textOf(event.sg_message_id)?.split('.')[0] ?? null,
      messageId: ourId([textOf(event.batchsender_id), textOf(event['smtp-id'])]),
      timestamp: timeOf(event.timestamp, now),
      code: textOf(event.status),
      detail: reason ?? textOf(event.response),
      eventId: textOf(event.sg_event_id),
      ...(type === 'clicked' ? { url: textOf(event.url) ?? undefined } : {}),
      ...((event.sg_machine_open as unknown) === true ? { machine: true } : {}),
    }),
  ];
}

/** "blocked" is a refusal of the message, not of the address; older events have no type, then the status decides. */
function permanenceOf(type: ProviderEventType, event: Loose): boolean | null {
  if (type === 'suppressed') return true;
  if (type === 'failed') return false;
  if (type !== 'bounced') return null;
  const kind = textOf(event.type);
  if (kind === 'blocked') return false;
  return isDeadAddress(textOf(event.status) ?? undefined) ?? kind === 'bounce';
}
