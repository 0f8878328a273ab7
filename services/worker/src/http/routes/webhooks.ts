import type { FastifyInstance } from 'fastify';
import { AppError } from '../../domain/errors.ts';

/** Provider webhooks come without a key: they prove themselves by their signature. */
export function webhookRoutes(app: FastifyInstance): void {
  app.post(
    '/webhooks/:source',
    { config: { access: 'public' }, schema: { security: [], hide: true } },
    async (request) => {
      const { source } = request.params as { source: string };
      throw new AppError('webhook_source_unknown', 404, `No provider "${source}" sends events here.`, {
        fix: 'Of the providers built in so far (mock, smtp, webhook) none reports events this way.',
      });
    },
  );
}
