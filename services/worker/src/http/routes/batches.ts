import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { parseEmail } from '../../domain/address/email.ts';
import { BATCH_ACTIONS } from '../../domain/batch-state.ts';
import { CHANNELS } from '../../domain/channel.ts';
import { AppError } from '../../domain/errors.ts';
import { MESSAGE_STATE_NAMES, type MessageState } from '../../domain/message-state.ts';
import { isZone, type QuietHours, resolveLocal } from '../../domain/schedule.ts';
import { compileTemplate } from '../../domain/template/template.ts';
import type { AppDeps } from '../app.ts';
import { batchDetail, batchReply } from '../batch-view.ts';
import { accountOf } from '../plugins/authentication.ts';
import {
  BatchDetailReply,
  BatchReply,
  ErrorReply,
  IdParams,
  ImportReply,
  isoDates,
  MessageReply,
  PageQuery,
  page,
  TemplateBody,
} from '../schemas.ts';
import { type NewBatch, RETRY_STATES } from '../stores.ts';

const MAX_INLINE_RECIPIENTS = 10_000;

const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { message: 'must be HH:MM' });

const NewBatchBody = z.strictObject({
  name: z.string().min(1).max(200),
  channel: z.enum(CHANNELS).default('email'),
  provider: z.string().optional().describe('id or name; may be left out when the account has only one'),
  from: z.string().max(1000).optional().describe('sender address, required for email'),
  replyTo: z.string().max(1000).optional(),
  template: TemplateBody,
  recipients: z
    .array(z.strictObject({ address: z.string(), variables: z.record(z.string(), z.unknown()).optional() }))
    .min(1)
    .max(MAX_INLINE_RECIPIENTS, {
      message: `at most ${MAX_INLINE_RECIPIENTS}; stream more to POST /api/batches/:id/recipients`,
    })
    .optional(),
  send: z.boolean().default(false).describe('send at once (or at scheduledAt)'),
  scheduledAt: z
    .string()
    .optional()
    .describe(
      'with an offset (2026-03-01T09:00:00+01:00), or wall-clock time in `timezone` (2026-03-01T09:00:00)',
    ),
  lateHours: z
    .number()
    .min(0)
    .max(24 * 30)
    .optional()
    .describe('sent late up to this after a missed schedule, else held; default 12'),
  quietHours: z
    .strictObject({
      start: TimeOfDay,
      end: TimeOfDay,
      zone: z.string().optional().describe('default: `timezone`'),
    })
    .optional()
    .describe('nothing is sent from start to end, over midnight too'),
  missingVariables: z
    .enum(['error', 'empty'])
    .default('error')
    .describe('what a variable that a recipient lacks becomes'),
  uncertainPolicy: z
    .enum(['resend', 'hold'])
    .default('resend')
    .describe('what happens to messages that a crash left in doubt'),
  timezone: z.string().default('UTC').describe('IANA zone in which the template prints dates'),
});
type NewBatchRequest = z.infer<typeof NewBatchBody>;

export function batchRoutes(app: FastifyInstance, deps: AppDeps): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const { batches } = deps;
  routes.post(
    '/api/batches',
    {
      config: { access: 'protected' },
      schema: {
        body: NewBatchBody,
        response: {
          201: BatchDetailReply.extend({ import: ImportReply.nullable() }),
          400: ErrorReply,
          409: ErrorReply,
          413: ErrorReply,
          422: ErrorReply,
        },
      },
    },
    async (request, reply) => {
      const accountId = accountOf(request);
      const id = await batches.create(accountId, await newBatch(request.body, accountId, deps));
      const imported = await addRecipients(id, accountId, request.body, deps);
      if (request.body.send) await batches.act(accountId, id, 'send');
      return reply
        .code(201)
        .send({ ...batchDetail(await batches.get(accountId, id), deps.limitOf), import: imported });
    },
  );
  routes.get(
    '/api/batches',
    {
      config: { access: 'protected' },
      schema: { querystring: PageQuery, response: { 200: page(BatchReply) } },
    },
    async (request) => {
      const { cursor = null, limit } = request.query;
      const items = await batches.list(accountOf(request), { cursor: checkCursor(cursor), limit });
      return { items: items.map(batchReply), next: items.length === limit ? items.at(-1)!.id : null };
    },
  );
  routes.get(
    '/api/batches/:id',
    {
      config: { access: 'protected' },
      schema: { params: IdParams, response: { 200: BatchDetailReply, 404: ErrorReply } },
    },
    async (request) => batchDetail(await batches.get(accountOf(request), request.params.id), deps.limitOf),
  );
  for (const action of BATCH_ACTIONS) {
    routes.post(
      `/api/batches/:id/${action}`,
      {
        config: { access: 'protected' },
        schema: { params: IdParams, response: { 200: BatchDetailReply, 404: ErrorReply, 409: ErrorReply } },
      },
      async (request) => {
        await batches.act(accountOf(request), request.params.id, action);
        return batchDetail(await batches.get(accountOf(request), request.params.id), deps.limitOf);
      },
    );
  }
  routes.post(
    '/api/batches/:id/retry',
    {
      config: { access: 'protected' },
      schema: {
        description:
          'Another round for failed, bounced or uncertain messages, another provider for what is not sent yet, or both',
        params: IdParams,
        body: z.strictObject({
          states: z.array(z.enum(RETRY_STATES)).default([]),
          provider: z.string().optional(),
        }),
        response: {
          200: BatchDetailReply.extend({ retried: z.number().int() }),
          404: ErrorReply,
          409: ErrorReply,
          422: ErrorReply,
        },
      },
    },
    async (request) => {
      const accountId = accountOf(request);
      const { channel } = await batches.get(accountId, request.params.id);
      const { states, provider } = request.body;
      const providerId =
        provider === undefined ? null : await providerFor({ provider, channel }, accountId, deps);
      if (states.length === 0 && !providerId)
        throw new AppError('retry_empty', 422, 'Nothing is to be retried.', {
          field: 'states',
          fix: 'Name states, a provider, or both.',
        });
      const retried = await batches.retry(accountId, request.params.id, { states, providerId });
      return { ...batchDetail(await batches.get(accountId, request.params.id), deps.limitOf), retried };
    },
  );
  routes.get(
    '/api/batches/:id/messages',
    {
      config: { access: 'protected' },
      schema: {
        params: IdParams,
        querystring: PageQuery.extend({
          state: z.enum(MESSAGE_STATE_NAMES as [MessageState, ...MessageState[]]).optional(),
        }),
        response: { 200: page(MessageReply), 404: ErrorReply },
      },
    },
    async (request) => {
      const { state = null, cursor = null, limit } = request.query;
      if (cursor !== null && !/^\d{1,9}$/.test(cursor)) throw badCursor();
      const items = await batches.messages(accountOf(request), request.params.id, state, { cursor, limit });
      return { items: items.map(isoDates), next: items.length === limit ? String(items.at(-1)!.n) : null };
    },
  );
}

/** Everything is checked before anything is stored. */
async function newBatch(body: NewBatchRequest, accountId: string, deps: AppDeps): Promise<NewBatch> {
  checkZone(body.timezone);
  compileTemplate(body.template, { timezone: body.timezone });
  const providerId = await providerFor(body, accountId, deps);
  const from = checkSender('from', body.from, body.channel === 'email');
  return {
    name: body.name,
    channel: body.channel,
    providerId,
    from,
    replyTo: checkSender('replyTo', body.replyTo, false),
    template: body.template,
    scheduledAt: scheduledInstant(body.scheduledAt, body.timezone),
    options: {
      uncertainPolicy: body.uncertainPolicy,
      missingVariables: body.missingVariables,
      timezone: body.timezone,
      ...(body.lateHours === undefined ? {} : { lateHours: body.lateHours }),
      ...(body.quietHours ? { quietHours: quietHours(body.quietHours, body.timezone) } : {}),
    },
  };
}

async function providerFor(
  body: Pick<NewBatchRequest, 'provider' | 'channel'>,
  accountId: string,
  deps: AppDeps,
): Promise<string> {
  if (body.provider === undefined) {
    const id = await deps.providers.defaultId(accountId, body.channel);
    if (id) return id;
    throw new AppError(
      'provider_required',
      422,
      'The account has no provider, or several and none is named "default".',
      {
        field: 'provider',
        fix: 'Name one in "provider". GET /api/providers lists them.',
      },
    );
  }
  const provider = await deps.providers.find(accountId, body.provider).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('provider_unknown', 422, `There is no provider "${body.provider}" in this account.`, {
      field: 'provider',
      fix: 'GET /api/providers lists them.',
    });
  });
  if (!deps.kinds[provider.kind]!.channels.includes(body.channel)) {
    throw new AppError(
      'provider_channel',
      422,
      `Provider "${provider.name}" (${provider.kind}) does not send ${body.channel}.`,
      { field: 'provider' },
    );
  }
  return provider.id;
}

function checkSender(field: string, value: string | undefined, required: boolean): string | null {
  if (value === undefined) {
    if (!required) return null;
    throw new AppError('sender_required', 422, 'An e-mail needs a sender address.', {
      field,
      fix: 'Set "from", for example "News <news@example.com>".',
    });
  }
  const parsed = parseEmail(value);
  if (!parsed.valid)
    throw new AppError(
      'sender_invalid',
      422,
      `"${value.slice(0, 100)}" is not an e-mail address (${parsed.reason}).`,
      { field },
    );
  const name = parsed.display_name?.replace(/["\\]/g, '\\$&');
  return name ? `"${name}" <${parsed.address}>` : parsed.address;
}

function checkZone(zone: string, field = 'timezone'): void {
  if (isZone(zone)) return;
  throw new AppError('timezone_unknown', 422, `There is no time zone "${zone}".`, {
    field,
    fix: 'Use an IANA name such as Europe/Berlin.',
  });
}

function scheduledInstant(value: string | undefined, timezone: string): Date | null {
  if (value === undefined) return null;
  if (/(?:Z|[+-]\d\d:?\d\d)$/i.test(value) && !Number.isNaN(Date.parse(value))) return new Date(value);
  const local = resolveLocal(value, timezone);
  if (!('error' in local)) return local.utc;
  throw new AppError('schedule_invalid', 422, `"${value.slice(0, 40)}" is not a date and time.`, {
    field: 'scheduledAt',
    fix: 'Write 2026-03-01T09:00:00+01:00, or 2026-03-01T09:00:00 for that time in "timezone".',
  });
}

function quietHours(hours: { start: string; end: string; zone?: string }, timezone: string): QuietHours {
  const zone = hours.zone ?? timezone;
  checkZone(zone, 'quietHours.zone');
  return { start: hours.start, end: hours.end, zone };
}

/** Inline recipients go the way of an upload; when none can be used, the batch is as if it had never been. */
async function addRecipients(id: string, accountId: string, body: NewBatchRequest, deps: AppDeps) {
  if (!body.recipients) return null;
  const key = body.channel === 'email' ? 'email' : 'phone';
  const lines = body.recipients.map(
    ({ address, variables }) => `${JSON.stringify({ [key]: address, ...omit(variables ?? {}, key) })}\n`,
  );
  try {
    return await deps.imports.import(accountId, id, Readable.from(lines.map((line) => Buffer.from(line))), {
      channel: body.channel,
      format: 'ndjson',
      addressColumn: key,
    });
  } catch (error) {
    await deps.batches.discard(accountId, id);
    throw error;
  }
}

function omit(variables: Record<string, unknown>, key: string): Record<string, unknown> {
  const { [key]: _, ...rest } = variables;
  return rest;
}

function checkCursor(cursor: string | null): string | null {
  if (cursor !== null && !/^[0-9a-f-]{36}$/i.test(cursor)) throw badCursor();
  return cursor;
}

function badCursor(): AppError {
  return new AppError('cursor_invalid', 400, 'The cursor is not one that this list gave out.', {
    field: 'cursor',
    fix: 'Use "next" of the page before.',
  });
}
