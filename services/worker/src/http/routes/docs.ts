import type { FastifyInstance } from 'fastify';
import { docsPage } from '../docs-page.ts';

export function docsRoutes(app: FastifyInstance): void {
  app.get(
    '/api/openapi.json',
    { config: { access: 'public' }, schema: { security: [], hide: true } },
    async () => app.swagger(),
  );
  app.get(
    '/api/docs',
    { config: { access: 'public' }, schema: { security: [], hide: true } },
    async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
        .send(docsPage(app.swagger() as never)),
  );
}
