import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkSenderDomain } from '../../domain/sender-domain.ts';
import type { AppDeps } from '../app.ts';
import { accountOf } from '../plugins/authentication.ts';
import { preflight } from '../preflight.ts';
import { PreflightReply, SenderDomainReply } from '../preflight-schema.ts';
import { ErrorReply, IdParams } from '../schemas.ts';

export function preflightRoutes(app: FastifyInstance, deps: AppDeps): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  routes.post(
    '/api/batches/:id/preflight',
    {
      config: { access: 'protected' },
      schema: {
        description:
          'Makes every message without sending one: counts with reasons, samples, worst cases, sender domain, quota, time and size',
        params: IdParams,
        response: { 200: PreflightReply, 404: ErrorReply },
      },
    },
    async (request) => preflight(accountOf(request), request.params.id, deps),
  );
  routes.get(
    '/api/sender-domains/:domain',
    {
      config: { access: 'protected' },
      schema: {
        description: 'SPF and DMARC of a domain, as receivers see them',
        params: z.object({
          domain: z.string().regex(/^(?:[a-z0-9-]+\.)+[a-z0-9-]{2,}$/i, { message: 'is not a domain' }),
        }),
        response: { 200: SenderDomainReply, 400: ErrorReply },
      },
    },
    async (request) => checkSenderDomain(request.params.domain.toLowerCase(), null, deps.dns),
  );
}
