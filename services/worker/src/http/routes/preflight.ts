import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkSenderDomain } from '../../domain/sender-domain.ts';
import type { AppDeps } from '../app.ts';
import { accountOf } from '../plugins/authentication.ts';
import { preflight } from '../preflight.ts';
import { ErrorReply, IdParams } from '../schemas.ts';

const RecordReply = z.object({
  status: z.enum(['ok', 'warning', 'missing', 'invalid', 'unknown']),
  detail: z.string(),
});
const SenderDomainReply = z.object({
  domain: z.string(),
  spf: RecordReply,
  dkim: RecordReply,
  dmarc: RecordReply,
});
const SampleReply = z.object({
  n: z.number().int(),
  address: z.string(),
  from: z.string().nullable(),
  subject: z.string().nullable(),
  html: z.string().nullable(),
  text: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  bytes: z.number().int(),
});

const PreflightReply = z.object({
  ok: z.boolean().describe('no problem is an error'),
  at: z.string(),
  problems: z.array(
    z.object({
      severity: z.enum(['error', 'warning']),
      code: z.string(),
      message: z.string(),
      fix: z.string().nullable(),
    }),
  ),
  recipients: z.object({
    total: z.number().int(),
    willBeSent: z.number().int(),
    suppressed: z.number().int(),
    failing: z.number().int().describe('recipients whose message cannot be made'),
    rejected: z
      .record(z.string(), z.number().int())
      .describe('rows of uploads that are not in the batch, by reason'),
  }),
  rendering: z.object({
    checked: z.number().int(),
    suppressed: z.number().int(),
    failing: z.number().int(),
    failures: z.array(
      z.object({
        code: z.string(),
        part: z.string(),
        variable: z.string().nullable(),
        count: z.number().int(),
        example: z.object({ n: z.number().int(), address: z.string(), message: z.string() }),
      }),
    ),
    samples: z.array(SampleReply),
    longestSubject: SampleReply.nullable(),
    largest: SampleReply.nullable(),
    averageBytes: z.number().int(),
    totalBytes: z.number().int(),
    relativeLinks: z.array(z.string()),
  }),
  sender: SenderDomainReply.nullable(),
  oneClickUnsubscribe: z.boolean(),
  provider: z.object({
    name: z.string(),
    state: z.string(),
    perSecond: z.number().nullable(),
    perDay: z.number().nullable(),
    leftToday: z.number().int().nullable(),
  }),
  etaSeconds: z.number().int().nullable().describe('at the limits of the provider; null without one'),
});

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
