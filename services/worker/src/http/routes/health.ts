import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';

/** Resolves when the dependency answers; the error says why not. */
export type HealthCheck = () => Promise<void>;

const CHECK_TIMEOUT_MS = 2000;

export function healthRoutes(
  app: FastifyInstance,
  deps: { health: Record<string, HealthCheck>; version: string; stackId: string },
): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const identity = { version: deps.version, stackId: deps.stackId };
  routes.get(
    '/health',
    {
      config: { access: 'public' },
      schema: {
        security: [],
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
        response: {
          200: z.object({ status: z.string(), dependencies: z.record(z.string(), z.string()) }),
          503: z.object({ status: z.string(), dependencies: z.record(z.string(), z.string()) }),
        },
      },
    },
    async (_request, reply) => {
      const results = await Promise.all(
        Object.entries(deps.health).map(async ([name, check]) => [name, await state(check)] as const),
      );
      const ready = results.every(([, result]) => result === 'ok');
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ready' : 'not ready', dependencies: Object.fromEntries(results) });
    },
  );
}

async function state(check: HealthCheck): Promise<string> {
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS).unref();
  });
  try {
    await Promise.race([check(), timeout]);
    return 'ok';
  } catch (error) {
    return (error as Error).message || 'failed';
  }
}
