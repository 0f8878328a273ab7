import { createPublicKey, verify } from 'node:crypto';
import type { ReceivedEvent } from '../provider-event.ts';
import { isFresh, isWholeSeconds } from '../webhook-signature.ts';
import { type Loose, listOf, looseOf, textOf, timeOf } from './json.ts';
import { type EventFormat, ourId, received, reception, rejected } from './reception.ts';
import { DEAD, OPTED_OUT, REFUSED, type SmsMeaning, UNREACHABLE } from './sms.ts';

/** https://developers.telnyx.com/docs/messaging/messages/error-codes */
const ERRORS: Record<string, SmsMeaning> = {
  '40001': DEAD,
  '40004': UNREACHABLE,
  '40005': UNREACHABLE,
  '40006': UNREACHABLE,
  '40008': UNREACHABLE,
  '40012': DEAD,
  '40300': OPTED_OUT,
  '40310': DEAD,
};

/** What stands before the 32 bytes of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410). */
const ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

/** Telnyx: Ed25519 over the time, a bar and the body. */
export const telnyx: EventFormat = (request, { publicKeys }, { now }) => {
  const signature = request.headers['telnyx-signature-ed25519'];
  const timestamp = request.headers['telnyx-timestamp'];
  if (!signature || !timestamp || !isWholeSeconds(timestamp)) return rejected('bad_signature');
  const text = Buffer.concat([Buffer.from(`${timestamp}|`), request.body]);
  if (!publicKeys.some((key) => isSigned(key, signature, text))) return rejected('bad_signature');
  if (!isFresh(timestamp, now.getTime() / 1000)) return rejected('stale');
  const { data } = looseOf(request.body);
  return data ? reception(eventsOf(data, now)) : { outcome: 'ignored' };
};

function isSigned(publicKey: string, signature: string, text: Buffer): boolean {
  try {
    const der = Buffer.concat([ED25519, Buffer.from(publicKey, 'base64')]);
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return verify(null, text, key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

function eventsOf(data: Loose, now: Date): ReceivedEvent[] {
  const payload = data.payload ?? {};
  const code = textOf(listOf(payload.errors)[0]?.code);
  return listOf(payload.to).flatMap((to, i) => {
    const meaning = meaningOf(textOf(data.event_type) ?? '', textOf(to.status) ?? '', code);
    if (!meaning) return [];
    return received({
      ...meaning,
      address: textOf(to.phone_number),
      provider_message_id: textOf(payload.id),
      messageId: ourId(listOf(payload.tags)),
      timestamp: timeOf(data.occurred_at, now),
      code,
      detail: textOf(listOf(payload.errors)[0]?.detail),
      eventId: `${textOf(data.id)}.${i}`,
    });
  });
}

/** The final state is in the recipient's entry. */
function meaningOf(eventType: string, status: string, code: string | null): SmsMeaning | null {
  if (eventType === 'message.sent') return { type: 'sent', permanent: null };
  if (eventType !== 'message.finalized') return null;
  if (status === 'delivered') return { type: 'delivered', permanent: null };
  return /failed$/.test(status) ? (ERRORS[code ?? ''] ?? REFUSED) : null;
}
