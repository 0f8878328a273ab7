import type { ReceivedEvent } from '../provider-event.ts';
import { equalsSecretly } from '../webhook-signature.ts';
import { type Loose, looseOf, textOf, timeOf } from './json.ts';
import { type EventFormat, ourId, received, reception, rejected } from './reception.ts';

/** Postmark signs nothing: the user and password in the address of the webhook are the only proof. */
export const postmark: EventFormat = (request, { secrets }, { now }) => {
  const given = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const wanted = secrets.map((secret) => Buffer.from(secret).toString('base64'));
  if (!wanted.some((one) => equalsSecretly(given, one))) return rejected('bad_signature');
  const event = looseOf(request.body);
  const what = meaningOf(event);
  if (!what) return { outcome: 'ignored' };
  const { time, ...more } = what;
  const address = textOf(event.Recipient) ?? textOf(event.Email);
  const id = textOf(event.MessageID);
  return reception([
    received({
      address,
      provider_message_id: id,
      messageId: ourId(Object.values((event.Metadata ?? {}) as object)),
      timestamp: timeOf(time, now),
      eventId: [id, textOf(event.RecordType), address, time].join(' '),
      ...more,
    }),
  ]);
};

/** https://postmarkapp.com/developer/webhooks/webhooks-overview; a complaint has the shape of a bounce. */
function meaningOf(
  event: Loose,
): (Pick<ReceivedEvent, 'type'> & Partial<ReceivedEvent> & { time: unknown }) | null {
  switch (textOf(event.RecordType)) {
    case 'Delivery':
      return { type: 'delivered', time: event.DeliveredAt };
    case 'Bounce':
      return {
        type: 'bounced',
        // It deactivated the address, or did not.
        permanent: (event.Inactive as unknown) === true,
        code: textOf(event.Type),
        detail: textOf(event.Details) ?? textOf(event.Description),
        time: event.BouncedAt,
      };
    case 'SpamComplaint':
      return { type: 'complained', time: event.BouncedAt };
    case 'Open':
      return { type: 'opened', time: event.ReceivedAt };
    case 'Click':
      return { type: 'clicked', url: textOf(event.OriginalLink) ?? undefined, time: event.ReceivedAt };
    case 'SubscriptionChange':
      return (event.SuppressSending as unknown) === true
        ? { type: 'unsubscribed', time: event.ChangedAt }
        : null;
    default:
      return null;
  }
}
