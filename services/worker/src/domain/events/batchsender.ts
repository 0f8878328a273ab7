import { z } from 'zod';
import { AppError } from '../errors.ts';
import { verifyWebhook } from '../webhook-signature.ts';
import { jsonOf } from './json.ts';
import type { EventFormat } from './reception.ts';
import { received, rejected } from './reception.ts';

const MAX_EVENTS = 1000;

const Event = z.object({
  /** The message's id as it was posted. */
  id: z.string(),
  type: z.enum(['delivered', 'bounced', 'complained', 'failed', 'unsubscribed']),
  permanent: z.boolean().default(false),
  code: z.string().max(100).nullable().default(null),
  detail: z.string().max(500).nullable().default(null),
});
const Body = z.union([Event, z.array(Event).max(MAX_EVENTS)]);

/** Our own: what the receiver of a webhook provider posts, signed by Standard Webhooks. */
export const batchsender: EventFormat = (request, { secrets }, { now }) => {
  const verdict = verifyWebhook(
    secrets,
    {
      id: request.headers['webhook-id'],
      timestamp: request.headers['webhook-timestamp'],
      signature: request.headers['webhook-signature'],
      body: request.body,
    },
    now.getTime() / 1000,
  );
  if (verdict !== 'ok') return rejected(verdict);
  const parsed = Body.safeParse(jsonOf(request.body));
  if (!parsed.success)
    throw new AppError(
      'webhook_invalid',
      400,
      `The body is not an event or a list of at most ${MAX_EVENTS}: ${parsed.error.issues[0]?.message}.`,
    );
  const events = [parsed.data].flat().map(({ id, type, permanent, code, detail }) =>
    received({
      ...{ type, permanent, code, detail, messageId: id, timestamp: now },
      // Coming again changes nothing: what these say is only ever raised.
      ...{ address: null, provider_message_id: null, eventId: null },
    }),
  );
  return { outcome: 'accepted', events };
};
