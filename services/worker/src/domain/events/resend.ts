import type { ProviderEventType } from '../provider-event.ts';
import { verifyWebhook } from '../webhook-signature.ts';
import { type Loose, listOf, looseOf, textOf, timeOf } from './json.ts';
import { type EventFormat, ourId, received, reception, rejected } from './reception.ts';

/** https://resend.com/docs/dashboard/webhooks/event-types */
const TYPES: Record<string, ProviderEventType> = {
  'email.sent': 'sent',
  'email.delivered': 'delivered',
  'email.delivery_delayed': 'deferred',
  'email.bounced': 'bounced',
  'email.complained': 'complained',
  'email.opened': 'opened',
  'email.clicked': 'clicked',
  'email.failed': 'failed',
  'email.suppressed': 'suppressed',
};

/** Resend, which signs as Svix does: Standard Webhooks with other names of headers. */
export const resend: EventFormat = (request, { secrets }, { now }) => {
  const id = request.headers['svix-id'];
  const verdict = verifyWebhook(
    secrets,
    {
      id,
      timestamp: request.headers['svix-timestamp'],
      signature: request.headers['svix-signature'],
      body: request.body,
    },
    now.getTime() / 1000,
  );
  if (verdict !== 'ok') return rejected(verdict);
  const event = looseOf(request.body);
  const type = TYPES[textOf(event.type) ?? ''];
  const { data } = event;
  if (!type || !data) return { outcome: 'ignored' };
  return reception(
    listOf(data.to).map((address, i) =>
      received({
        type,
        permanent: permanenceOf(type, data),
        address: textOf(address),
        provider_message_id: textOf(data.email_id),
        messageId: ourId(tagsOf(data.tags)),
        timestamp: timeOf(event.created_at, now),
        detail: textOf(data.bounce?.message),
        eventId: `${id}.${i}`,
        ...(type === 'clicked' ? { url: textOf(data.click?.link) ?? undefined } : {}),
      }),
    ),
  );
};

function permanenceOf(type: ProviderEventType, data: Loose): boolean | null {
  if (type === 'bounced') return textOf(data.bounce?.type) === 'Permanent';
  if (type === 'suppressed') return true;
  return type === 'failed' ? false : null;
}

/** By name, or as a list of name and value. */
function tagsOf(tags: unknown): unknown[] {
  if (Array.isArray(tags)) return tags.map((tag: { value?: unknown }) => tag?.value);
  return Object.values((tags ?? {}) as object);
}
