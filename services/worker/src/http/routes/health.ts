import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Dependencies } from '../../dependencies.ts';

const Readiness = z.object({
  status: z.enum(['ready', 'degraded', 'not ready']),
  /** "ok", or why not, by dependency. */
  dependencies: z.record(z.string(), z.string()),
});

export function healthRoutes(
  app: FastifyInstance,
  deps: { dependencies: Dependencies; version: string; stackId: string },
): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const identity = { version: deps.version, stackId: deps.stackId };
  routes.get(
    '/health',
    {
      config: { access: 'public' },
      schema: {
        security: [],
        description: 'This process lives; asks nobody else',
        response: {
          200: z.object({
            status: z.literal('ok'),
            service: z.string(),
            version: z.string(),
            stackId: z.string(),
          }),
        },
      },
    },
    async () => ({ status: 'ok' as const, service: 'worker', ...identity }),
  );
  routes.get(
    '/health/ready',
    {
      config: { access: 'public' },
      schema: {
        security: [],
        description:
          'Every dependency, with the reason when it does not answer. "degraded" (200): the work goes on without it',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      const verdict = await deps.dependencies.verdict();
      return reply.code(verdict.status === 'not ready' ? 503 : 200).send(verdict);
    },
  );
}
