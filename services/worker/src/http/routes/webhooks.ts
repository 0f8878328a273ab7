import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import { EVENT_FORMATS } from '../../domain/events/formats.ts';
import type { Reception } from '../../domain/events/reception.ts';
import {
  isStep,
  type ProviderEvent,
  parseMessageId,
  type ReceivedEvent,
} from '../../domain/provider-event.ts';
import type { EventIntake } from '../../pipeline/event-tracker.ts';
import type { EventMetrics } from '../../pipeline/metrics.ts';
import type { EventSource, ProviderStore, SeenEvents } from '../stores.ts';

/** What providers themselves are asked for: their certificates, and that they may send us events. */
export interface ProviderPages {
  certificate(url: string): Promise<string>;
  /** @throws when the answer is not one of success */
  visit(url: string): Promise<void>;
}

export interface WebhookDeps {
  providers: ProviderStore;
  intake: EventIntake;
  seen: SeenEvents;
  pages: ProviderPages;
  eventMetrics: EventMetrics;
  /** Where we are reached from outside; null without PUBLIC_URL. */
  publicUrl: string | null;
}

/**
 * Provider webhooks come without a key: they prove themselves as their format says. An event is put down before it is
 * answered with 200, and only then remembered as seen: after a crash between the two it is taken twice, which changes
 * nothing, rather than never.
 */
export function webhookRoutes(app: FastifyInstance, deps: WebhookDeps): void {
  // What is signed are the bytes, whatever they claim to be.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post(
    '/webhooks/:source',
    { config: { access: 'public' }, schema: { security: [], hide: true } },
    async (request, reply) => {
      const { source } = request.params as { source: string };
      const provider = await deps.providers.forEvents(source);
      if (!provider) throw unknownSource(source);
      const reception = await read(request, provider, deps);
      await deps.providers.eventsSeen(source);
      const accepted =
        reception.outcome === 'accepted' ? await take(source, provider, reception.events, deps) : 0;
      return reply.send({ accepted, receipt: randomUUID() });
    },
  );
}

/** @throws AppError `webhook_bad_signature`, `webhook_stale`, `webhook_unknown_key`, `webhook_invalid` */
async function read(request: FastifyRequest, source: EventSource, deps: WebhookDeps): Promise<Reception> {
  const reception = await EVENT_FORMATS[source.format](
    {
      path: request.raw.url!,
      headers: request.headers as Record<string, string | undefined>,
      body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    },
    { ...source, publicUrl: deps.publicUrl },
    { now: new Date(), certificate: (url) => certificate(url, deps.pages) },
  );
  if (reception.outcome === 'rejected') throw REJECTIONS[reception.reason](source.format);
  if (reception.outcome === 'confirm_subscription') await confirm(reception.confirm_url, deps.pages);
  return reception;
}

/** Told as our own failure, so that the provider tries again: after a 4xx it would drop the event. */
async function certificate(url: string, pages: ProviderPages): Promise<string> {
  try {
    return await pages.certificate(url);
  } catch (cause) {
    throw new AppError('webhook_not_verified', 502, "The provider's certificate could not be fetched.", {
      fix: 'This machine must reach the provider over HTTPS. The event comes again.',
      cause,
    });
  }
}

/** Unconfirmed, a topic sends nothing but this question. The provider asks again when we fail. */
async function confirm(url: string, pages: ProviderPages): Promise<void> {
  try {
    await pages.visit(url);
  } catch (cause) {
    throw new AppError('webhook_not_confirmed', 502, 'The subscription could not be confirmed.', {
      fix: 'This machine must reach the provider. It asks again; or open SubscribeURL by hand.',
      cause,
    });
  }
}

/** @returns how many are on their way to a message */
async function take(
  providerId: string,
  { accountId }: EventSource,
  events: ReceivedEvent[],
  deps: WebhookDeps,
): Promise<number> {
  const ids = events.map(({ eventId }) => eventId).filter((id) => id !== null);
  const seen = ids.length ? await deps.seen.among(providerId, ids) : new Set();
  const fresh = events.filter(({ eventId }) => eventId === null || !seen.has(eventId));
  for (const { type } of fresh) deps.eventMetrics.eventReceived(type);
  const telling = fresh.filter((event) => !isStep(event));
  const ours = telling.flatMap((event) => addressed(event, accountId));
  if (ours.length) await deps.intake.put(ours);
  if (ids.length) await deps.seen.remember(providerId, ids);
  deps.eventMetrics.eventsUnmatched(telling.length - ours.length);
  return ours.length;
}

/** Events of ids that are not ours are acknowledged and dropped: repeating them would change nothing. */
function addressed(event: ReceivedEvent, accountId: string): ProviderEvent[] {
  const message = parseMessageId(event.messageId ?? '');
  if (!message) return [];
  return [
    {
      accountId,
      ...message,
      type: event.type,
      permanent: event.permanent === true,
      code: event.code?.slice(0, 100) ?? null,
      detail: event.detail?.slice(0, 500) ?? null,
      ...(event.url ? { url: event.url } : {}),
    },
  ];
}

function unknownSource(source: string): AppError {
  return new AppError(
    'webhook_source_unknown',
    404,
    `No provider "${source.slice(0, 64)}" takes events here.`,
    {
      fix: 'Post to /webhooks/PROVIDER_ID of a provider that was told how its events are proved (eventFormat).',
    },
  );
}

const REJECTIONS = {
  bad_signature: (format: string) =>
    new AppError('webhook_bad_signature', 401, 'The signature is missing or wrong.', {
      fix:
        format === 'batchsender'
          ? 'Sign "id.timestamp.body" with the eventSecret as Standard Webhooks says.'
          : `Check the provider's eventSecret or eventPublicKey for ${format}; for twilio also PUBLIC_URL, which is part of what is signed.`,
    }),
  stale: () =>
    new AppError('webhook_stale', 401, 'The signed time is more than 5 minutes from ours.', {
      fix: 'Check the clock of this machine, and that nothing between holds requests back.',
    }),
  unknown_key: () =>
    new AppError('webhook_unknown_key', 403, 'It is authentic, but for a topic that is not ours.', {
      field: 'eventTopics',
      fix: "Add the topic's ARN to the provider's eventTopics, if it is yours.",
    }),
};
