import { createHmac } from 'node:crypto';
import { equalsSecretly } from '../webhook-signature.ts';
import { type EventFormat, ourId, received, reception, rejected } from './reception.ts';
import { DEAD, OPTED_OUT, REFUSED, type SmsMeaning, UNREACHABLE } from './sms.ts';

/** https://www.twilio.com/docs/api/errors: codes that say more than "not delivered". */
const ERRORS: Record<string, SmsMeaning> = {
  '21211': DEAD,
  '21610': OPTED_OUT,
  '21614': DEAD,
  '30003': UNREACHABLE,
  '30004': UNREACHABLE,
  '30005': DEAD,
  '30006': DEAD,
  '30007': REFUSED,
  '30008': UNREACHABLE,
};

/** Twilio: HMAC-SHA1 of the public address, byte for byte, and the parameters in order of their names. */
export const twilio: EventFormat = (request, { secrets, publicUrl }, { now }) => {
  const signature = request.headers['x-twilio-signature'] ?? '';
  const parameters = new URLSearchParams(request.body.toString('utf8'));
  const text = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([name, value]) => name + value)
    .join('');
  const signed = secrets.some((token) =>
    spellingsOf(`${publicUrl ?? ''}${request.path}`).some((url) =>
      equalsSecretly(
        signature,
        createHmac('sha1', token)
          .update(url + text, 'utf8')
          .digest('base64'),
      ),
    ),
  );
  if (!signed) return rejected('bad_signature');
  const meaning = meaningOf(parameters.get('MessageStatus') ?? '', parameters.get('ErrorCode'));
  if (!meaning) return { outcome: 'ignored' };
  const id = parameters.get('MessageSid');
  return reception([
    received({
      ...meaning,
      address: parameters.get('To'),
      provider_message_id: id,
      messageId: ourId([request.path]),
      // The callback has no time of its own.
      timestamp: now,
      code: parameters.get('ErrorCode'),
      eventId: `${id} ${parameters.get('MessageStatus')}`,
    }),
  ]);
};

/** For https the port is left out of what is signed, by some of its senders. */
function spellingsOf(url: string): string[] {
  return [url, url.replace(/^(https:\/\/[^/?#:]+):\d+/, '$1')];
}

function meaningOf(status: string, errorCode: string | null): SmsMeaning | null {
  switch (status) {
    case 'sent':
    case 'delivered':
      return { type: status, permanent: null };
    case 'undelivered':
    case 'failed':
      return ERRORS[errorCode ?? ''] ?? REFUSED;
    default:
      return null;
  }
}
