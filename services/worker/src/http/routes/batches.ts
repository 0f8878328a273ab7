import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { BATCH_ACTIONS, type BatchAction } from '../../domain/batch-state.ts';
import { AppError } from '../../domain/errors.ts';
import { MESSAGE_STATE_NAMES, type MessageState } from '../../domain/message-state.ts';
import type { AppDeps } from '../app.ts';
import { RETRY_STATES } from '../batch-stores.ts';
import { batchDetail, batchReply } from '../batch-view.ts';
import { providerFor } from '../new-batch.ts';
import { accountOf } from '../plugins/authentication.ts';
import { requirePreflight } from '../preflight.ts';
import {
  BatchDetailReply,
  BatchReply,
  ErrorReply,
  IdParams,
  isoDates,
  MessageReply,
  PageQuery,
  page,
} from '../schemas.ts';

export function batchRoutes(app: FastifyInstance, deps: AppDeps): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const { batches } = deps;
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
  routes.delete(
    '/api/batches/:id',
    {
      config: { access: 'protected' },
      schema: {
        description: 'Removes a draft and its recipients',
        params: IdParams,
        response: { 204: z.null(), 404: ErrorReply, 409: ErrorReply },
      },
    },
    async (request, reply) => {
      await batches.remove(accountOf(request), request.params.id);
      return reply.code(204).send(null);
    },
  );
  for (const action of BATCH_ACTIONS) {
    routes.post(
      `/api/batches/:id/${action}`,
      {
        config: { access: 'protected' },
        schema: { params: IdParams, response: { 200: BatchDetailReply, 404: ErrorReply, 409: ErrorReply } },
      },
      async (request) => {
        await act(accountOf(request), request.params.id, action, deps);
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

async function act(accountId: string, id: string, action: BatchAction, deps: AppDeps): Promise<void> {
  if (action === 'send' && deps.preflightAbove !== undefined)
    requirePreflight(await deps.batches.get(accountId, id), deps.preflightAbove);
  await deps.batches.act(accountId, id, action);
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
