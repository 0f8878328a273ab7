import type { ReceivedEvent } from '../provider-event.ts';
import { isDeadAddress } from '../smtp-reply.ts';
import { type Loose, listOf, looseOf, textOf, timeOf } from './json.ts';
import { type EventFormat, ourId, received, reception, rejected } from './reception.ts';
import { isFromSns, isSnsUrl } from './sns.ts';

/** Sub-types of a bounce that stand for SES's own list. */
const SUPPRESSED = ['Suppressed', 'OnAccountSuppressionList'];

/** Amazon SES through SNS, as feedback notifications or as events of a configuration set. */
export const ses: EventFormat = async (request, { topics }, { now, certificate }) => {
  const message = looseOf(request.body);
  if (!(await isFromSns(message, certificate))) return rejected('bad_signature');
  if (!topics.includes(textOf(message.TopicArn) ?? '')) return rejected('unknown_key');
  if (textOf(message.Type) === 'SubscriptionConfirmation') {
    const url = textOf(message.SubscribeURL) ?? '';
    return isSnsUrl(url) ? { outcome: 'confirm_subscription', confirm_url: url } : rejected('bad_signature');
  }
  if (textOf(message.Type) !== 'Notification') return { outcome: 'ignored' };
  const event = notificationOf(textOf(message.Message) ?? '');
  return event ? reception(eventsOf(event, textOf(message.MessageId) ?? '', now)) : { outcome: 'ignored' };
};

/** Not every notification of a topic is one of SES: "Successfully validated SNS topic …" is a sentence. */
function notificationOf(text: string): Loose | null {
  try {
    return JSON.parse(text) as Loose;
  } catch {
    return null;
  }
}

/** An event for each address; `more` is what differs between them. */
type MakeEvents = (
  type: ReceivedEvent['type'],
  addresses: unknown[],
  time: unknown,
  more?: (i: number) => Partial<ReceivedEvent>,
) => ReceivedEvent[];

function eventsOf(event: Loose, snsId: string, now: Date): ReceivedEvent[] {
  const mail = event.mail ?? {};
  const base = {
    provider_message_id: textOf(mail.messageId),
    messageId: ourId([
      textOf(mail.commonHeaders?.messageId),
      ...listOf(mail.headers).map((header) => textOf(header.value)),
    ]),
  };
  const make: MakeEvents = (type, addresses, time, more = () => ({})) =>
    addresses.map((address, i) =>
      received({
        ...base,
        type,
        address: textOf(address),
        timestamp: timeOf(time, now),
        eventId: `${snsId}.${i}`,
        ...more(i),
      }),
    );
  const destination = listOf(mail.destination);
  switch (textOf(event.eventType) ?? textOf(event.notificationType)) {
    case 'Send':
      return make('sent', destination, mail.timestamp);
    case 'Delivery':
      return make('delivered', listOf(event.delivery?.recipients), event.delivery?.timestamp);
    case 'DeliveryDelay':
      return make(
        'deferred',
        addressesOf(event.deliveryDelay?.delayedRecipients),
        event.deliveryDelay?.timestamp,
      );
    case 'Bounce':
      return bounces(event.bounce ?? {}, make);
    case 'Complaint':
      return make(
        'complained',
        addressesOf(event.complaint?.complainedRecipients),
        event.complaint?.timestamp,
      );
    case 'Reject':
    case 'Rendering Failure':
      // It has no time of its own; the mail's is the nearest.
      return make('failed', destination, mail.timestamp, () => ({
        permanent: false,
        detail: textOf(event.reject?.reason) ?? textOf(event.failure?.errorMessage),
      }));
    case 'Open':
      return make('opened', destination, event.open?.timestamp);
    case 'Click':
      return make('clicked', destination, event.click?.timestamp, () => ({
        url: textOf(event.click?.link) ?? undefined,
      }));
    default:
      return [];
  }
}

/** The status decides where it says something: labels are known to be wrong ("Transient" for a domain that is not there). */
function bounces(bounce: Loose, make: MakeEvents): ReceivedEvent[] {
  const recipients = listOf(bounce.bouncedRecipients);
  const suppressed = SUPPRESSED.includes(textOf(bounce.bounceSubType) ?? '');
  return make(suppressed ? 'suppressed' : 'bounced', addressesOf(recipients), bounce.timestamp, (i) => ({
    permanent:
      isDeadAddress(textOf(recipients[i]!.status) ?? undefined) ?? textOf(bounce.bounceType) === 'Permanent',
    code: textOf(recipients[i]!.status),
    detail: textOf(recipients[i]!.diagnosticCode),
  }));
}

function addressesOf(recipients: unknown): unknown[] {
  return listOf(recipients).map((recipient) => recipient.emailAddress);
}
