import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { AppDeps } from '../app.ts';
import { accountOf } from '../plugins/authentication.ts';
import { ErrorReply } from '../schemas.ts';

const DAY_MS = 86_400_000;
const MAX_BUCKETS = 2000;

export function analyticsRoutes(app: FastifyInstance, deps: AppDeps): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  routes.get(
    '/api/queue',
    {
      config: { access: 'protected' },
      schema: {
        description: 'What waits, per provider',
        response: {
          200: z.object({
            items: z.array(
              z.object({
                provider: z.string(),
                providerId: z.string(),
                state: z.string(),
                pauseReason: z.string().nullable(),
                batches: z.number().int(),
                queued: z.number().int(),
                sending: z.number().int(),
                deferred: z.number().int(),
                oldestReadyAt: z.iso.datetime().nullable(),
              }),
            ),
          }),
        },
      },
    },
    async (request) => {
      const items = await deps.batches.queue(accountOf(request));
      return {
        items: items.map((item) => ({ ...item, oldestReadyAt: item.oldestReadyAt?.toISOString() ?? null })),
      };
    },
  );
  routes.get(
    '/api/analytics/events',
    {
      config: { access: 'protected' },
      schema: {
        description: 'Events by type over time. `enabled` is false without ClickHouse.',
        querystring: z.object({
          batch: z.uuid().optional(),
          from: z.iso.datetime({ offset: true }).optional().describe('default: 24 hours ago'),
          to: z.iso.datetime({ offset: true }).optional().describe('default: now'),
          step: z.coerce.number().int().min(1).max(86_400).default(60).describe('seconds of one bucket'),
        }),
        response: {
          200: z.object({
            enabled: z.boolean(),
            reason: z.string().nullable(),
            items: z.array(z.object({ at: z.string(), type: z.string(), count: z.number() })),
          }),
          400: ErrorReply,
        },
      },
    },
    async (request) => {
      if (!deps.events)
        return { enabled: false, reason: 'ClickHouse is not configured; analytics is off.', items: [] };
      const { batch, step } = request.query;
      const to = request.query.to ? new Date(request.query.to) : new Date(Date.now() + 1000);
      const from = request.query.from ? new Date(request.query.from) : new Date(to.getTime() - DAY_MS);
      const stepSeconds = Math.max(step, Math.ceil((to.getTime() - from.getTime()) / 1000 / MAX_BUCKETS));
      const items = await deps.events.events(accountOf(request), {
        batchId: batch ?? null,
        from,
        to,
        stepSeconds,
      });
      return { enabled: true, reason: null, items };
    },
  );
}
