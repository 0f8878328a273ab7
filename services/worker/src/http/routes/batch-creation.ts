import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import type { AppDeps } from '../app.ts';
import type { CreatedBatch, Creation, RequestKey, RequestOutcome } from '../batch-stores.ts';
import { batchDetail } from '../batch-view.ts';
import { NewBatchBody, type NewBatchRequest, newBatch } from '../new-batch.ts';
import { accountOf } from '../plugins/authentication.ts';
import { requirePreflight } from '../preflight.ts';
import { BatchDetailReply, ErrorReply, ImportReply } from '../schemas.ts';

const HEADER = 'idempotency-key';
/** Printable ASCII, as the IETF's draft has it for structured fields; the length is ours. */
const KEY = /^[\x20-\x7e]{1,256}$/;
const ASK_AGAIN_AFTER_SECONDS = 1;

const CreatedReply = BatchDetailReply.extend({ import: ImportReply.nullable() });

export function batchCreationRoute(app: FastifyInstance, deps: AppDeps): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/api/batches',
    {
      config: { access: 'protected' },
      schema: {
        description:
          'With an Idempotency-Key the same request makes one batch however often it is sent, and gets the same answer for 24 hours.',
        headers: z.looseObject({
          [HEADER]: z.string().optional().describe('1 to 256 printable ASCII characters'),
        }),
        body: NewBatchBody,
        response: { 201: CreatedReply, 400: ErrorReply, 409: ErrorReply, 413: ErrorReply, 422: ErrorReply },
      },
    },
    async (request, reply) => {
      const accountId = accountOf(request);
      const key = requestKey(request);
      const outcome =
        key === null
          ? await make(accountId, request.body, deps)
          : await makeOnce(accountId, key, request.body, deps);
      if (outcome.is === 'running') reply.header('retry-after', ASK_AGAIN_AFTER_SECONDS);
      const { status, body, replayed } = answered(outcome);
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(status as 201).send(body as z.infer<typeof CreatedReply>);
    },
  );
}

async function make(accountId: string, body: NewBatchRequest, deps: AppDeps): Promise<RequestOutcome> {
  const created = await deps.creation.create(accountId, await creationOf(accountId, body, deps));
  return { is: 'new', ...answerTo(created, deps) };
}

async function makeOnce(
  accountId: string,
  key: RequestKey,
  body: NewBatchRequest,
  deps: AppDeps,
): Promise<RequestOutcome> {
  // Before anything is checked: what was right then is answered as then, whatever has changed.
  const before = await deps.creation.recall(accountId, key);
  if (before) return before;
  const creation = await creationOf(accountId, body, deps);
  return deps.creation.once(accountId, key, creation, (created) => answerTo(created, deps));
}

function answerTo({ batch, imported }: CreatedBatch, deps: AppDeps) {
  return { status: 201, body: { ...batchDetail(batch, deps.limitOf), import: imported } };
}

async function creationOf(accountId: string, body: NewBatchRequest, deps: AppDeps): Promise<Creation> {
  const { preflightAbove } = deps;
  return {
    batch: await newBatch(body, accountId, deps),
    recipients: inlineRecipients(body),
    send: body.send,
    checkSend: preflightAbove === undefined ? null : (batch) => requirePreflight(batch, preflightAbove),
  };
}

/** Inline recipients go the way of an upload. */
function inlineRecipients(body: NewBatchRequest): Creation['recipients'] {
  if (!body.recipients) return null;
  const key = body.channel === 'email' ? 'email' : 'phone';
  const lines = body.recipients.map(
    ({ address, variables }) => `${JSON.stringify({ [key]: address, ...omit(variables ?? {}, key) })}\n`,
  );
  return {
    bytes: Readable.from(lines.map((line) => Buffer.from(line))),
    options: { channel: body.channel, format: 'ndjson', addressColumn: key },
  };
}

function omit(variables: Record<string, unknown>, key: string): Record<string, unknown> {
  const { [key]: _, ...rest } = variables;
  return rest;
}

/** @throws AppError `invalid_idempotency_key` */
function requestKey(request: FastifyRequest): RequestKey | null {
  const values = request.raw.headersDistinct[HEADER];
  if (!values) return null;
  const key = values[0]!;
  if (values.length > 1 || !KEY.test(key))
    throw new AppError(
      'invalid_idempotency_key',
      400,
      values.length > 1
        ? 'There are several Idempotency-Key headers.'
        : 'The Idempotency-Key is not 1 to 256 printable ASCII characters.',
      { field: HEADER, fix: 'Send one key that is new for each batch, for example a UUID.' },
    );
  return { key, bodyHash: createHash('sha256').update(JSON.stringify(request.body)).digest() };
}

/** @throws AppError `idempotency_key_in_progress`, `idempotency_key_reused` */
function answered(outcome: RequestOutcome): { status: number; body: unknown; replayed: boolean } {
  switch (outcome.is) {
    case 'running':
      throw new AppError(
        'idempotency_key_in_progress',
        409,
        'A request with this Idempotency-Key is still running.',
        { fix: `Send the same request again after ${ASK_AGAIN_AFTER_SECONDS} s: it gets that one's answer.` },
      );
    case 'other-request':
      throw new AppError(
        'idempotency_key_reused',
        422,
        'This Idempotency-Key was used for another request in the last 24 hours.',
        {
          field: HEADER,
          fix: 'Use a new key for a new batch; the same key only to repeat the same request.',
        },
      );
    default:
      return { status: outcome.status, body: outcome.body, replayed: outcome.is === 'answered' };
  }
}
