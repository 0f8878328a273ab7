import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { PROVIDER_EVENT_TYPES, type ProviderEvent, parseMessageId } from '../../domain/provider-event.ts';
import { verifyWebhook } from '../../domain/webhook-signature.ts';
import type { EventIntake } from '../../pipeline/event-tracker.ts';
import type { EventMetrics } from '../../pipeline/metrics.ts';
import type { ProviderStore } from '../stores.ts';

const MAX_EVENTS = 1000;

const Event = z.object({
  /** The message's id as it was posted. */
  id: z.string(),
  type: z.enum(PROVIDER_EVENT_TYPES),
  permanent: z.boolean().default(false),
  code: z.string().max(100).nullable().default(null),
  detail: z.string().max(500).nullable().default(null),
});
const Body = z.union([Event, z.array(Event).max(MAX_EVENTS)]);

/**
 * Provider webhooks come without a key: they prove themselves by their signature (Standard Webhooks, with the
 * provider's `eventSecret`). An event is put down before it is answered with 200.
 */
export function webhookRoutes(
  app: FastifyInstance,
  deps: { providers: ProviderStore; intake: EventIntake; eventMetrics: EventMetrics },
): void {
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
  app.post(
    '/webhooks/:source',
    { config: { access: 'public' }, schema: { security: [], hide: true } },
    async (request, reply) => {
      const { source } = request.params as { source: string };
      const provider = await deps.providers.forEvents(source);
      if (!provider) {
        throw new AppError(
          'webhook_source_unknown',
          404,
          `No provider "${source.slice(0, 64)}" takes events here.`,
          {
            fix: 'Post to /webhooks/PROVIDER_ID of a webhook provider that has an eventSecret.',
          },
        );
      }
      checkSignature(request, provider.eventSecret);
      const events = parseEvents(request.body as string);
      const accepted = events.flatMap((event) => normalise(event, provider.accountId));
      for (const event of accepted) await deps.intake.put(event);
      await deps.providers.eventsSeen(source);
      for (const { type } of events) deps.eventMetrics.eventReceived(type);
      deps.eventMetrics.eventsUnmatched(events.length - accepted.length);
      return reply.send({ accepted: accepted.length, receipt: randomUUID() });
    },
  );
}

function checkSignature(request: FastifyRequest, secret: string): void {
  const header = (name: string) =>
    typeof request.headers[name] === 'string' ? (request.headers[name] as string) : undefined;
  const signed = {
    id: header('webhook-id'),
    timestamp: header('webhook-timestamp'),
    signature: header('webhook-signature'),
    body: String(request.body ?? ''),
  };
  const verdict = verifyWebhook(secret, signed, Date.now() / 1000);
  if (verdict === 'ok') return;
  throw new AppError(
    `webhook_${verdict}`,
    401,
    verdict === 'stale'
      ? 'The signed time is more than 5 minutes from ours.'
      : 'The signature is missing or wrong.',
    {
      fix: 'Sign "id.timestamp.body" with the eventSecret as Standard Webhooks says.',
    },
  );
}

function parseEvents(body: string): z.infer<typeof Event>[] {
  const parsed = Body.safeParse(safeJson(body));
  if (parsed.success) return Array.isArray(parsed.data) ? parsed.data : [parsed.data];
  throw new AppError(
    'webhook_invalid',
    400,
    `The body is not an event or a list of at most ${MAX_EVENTS}: ${parsed.error.issues[0]?.message}.`,
  );
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AppError('json_invalid', 400, 'The body is not valid JSON.');
  }
}

/** Events of ids that are not ours are acknowledged and dropped: repeating them would change nothing. */
function normalise(event: z.infer<typeof Event>, accountId: string): ProviderEvent[] {
  const message = parseMessageId(event.id);
  if (!message) return [];
  return [
    {
      accountId,
      ...message,
      type: event.type,
      permanent: event.permanent,
      code: event.code,
      detail: event.detail,
    },
  ];
}
