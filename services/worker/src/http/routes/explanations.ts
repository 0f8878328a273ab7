import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { notFound } from '../../domain/errors.ts';
import { type BatchFacts, type Explanation, explainBatch, explainMessage } from '../../domain/explanation.ts';
import type { MessageState } from '../../domain/message-state.ts';
import { parseMessageId } from '../../domain/provider-event.ts';
import type { AppDeps } from '../app.ts';
import { batchDetail } from '../batch-view.ts';
import { accountOf } from '../plugins/authentication.ts';
import { ErrorReply } from '../schemas.ts';

/** Messages of a state that are looked at for the commonest reasons. */
const LOOKED_AT = 500;
const WITH_REASONS: MessageState[] = ['failed', 'bounced', 'uncertain'];

const Reply = z.object({
  kind: z.enum(['batch', 'message']),
  id: z.string(),
  summary: z.string(),
  waitsFor: z.string().nullable(),
  advice: z.array(z.string()),
  timeline: z.array(z.object({ at: z.iso.datetime(), text: z.string() })),
});

export function explanationRoutes(app: FastifyInstance, deps: AppDeps): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/api/explanations/:id',
    {
      config: { access: 'protected' },
      schema: {
        description: 'In words: what became of a batch or a message, what it waits for, what to do',
        params: z.object({ id: z.string().describe('id of a batch, or of a message: BATCH.N') }),
        response: { 200: Reply, 404: ErrorReply },
      },
    },
    async (request) => {
      const { id } = request.params;
      const accountId = accountOf(request);
      const message = parseMessageId(id);
      if (!message) {
        const explained = explainBatch(await batchFacts(deps, accountId, id));
        return { kind: 'batch' as const, id, ...explained };
      }
      return { kind: 'message' as const, id, ...(await messageExplanation(deps, accountId, message, id)) };
    },
  );
}

async function messageExplanation(
  deps: AppDeps,
  accountId: string,
  { batchId, n }: { batchId: string; n: number },
  id: string,
): Promise<Explanation> {
  const batch = await batchFacts(deps, accountId, batchId);
  const [found] = await deps.batches.messages(accountId, batchId, null, { cursor: String(n - 1), limit: 1 });
  if (found?.n !== n) throw notFound('message', id);
  const { tried, nextRetryAt } = await deps.batches.attempts(batchId, n);
  return explainMessage({ ...found, tried, nextRetryAt, batch });
}

async function batchFacts(deps: AppDeps, accountId: string, id: string): Promise<BatchFacts> {
  const batch = await deps.batches.get(accountId, id);
  const { perSecond, limitedBy, etaSeconds } = batchDetail(batch, deps.limitOf);
  const seen = new Map<string, { code: string; detail: string; count: number }>();
  for (const state of WITH_REASONS) {
    if (batch.counts[state] === 0) continue;
    const page = { cursor: null, limit: LOOKED_AT };
    for (const { code, detail } of await deps.batches.messages(accountId, id, state, page)) {
      const key = code ?? state;
      const reason = seen.get(key) ?? { code: key, detail: detail ?? '', count: 0 };
      seen.set(key, { ...reason, count: reason.count + 1 });
    }
  }
  return {
    ...batch,
    perSecond,
    limitedBy,
    etaSeconds,
    reasons: [...seen.values()].sort((a, b) => b.count - a.count),
    senders: await deps.batches.liveSenders(),
  };
}
