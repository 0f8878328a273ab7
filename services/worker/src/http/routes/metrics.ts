import type { FastifyInstance } from 'fastify';

export function metricsRoutes(
  app: FastifyInstance,
  deps: { metrics(): Promise<{ contentType: string; text: string }> },
): void {
  app.get(
    '/api/metrics',
    { config: { access: 'public' }, schema: { security: [], description: 'Prometheus text format' } },
    async (_request, reply) => {
      const { contentType, text } = await deps.metrics();
      return reply.type(contentType).send(text);
    },
  );
}
