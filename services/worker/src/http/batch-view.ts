import { openOf, totalOf } from '../domain/message-state.ts';
import { rateLimitsOf, sustainedPerSecond } from '../domain/rate.ts';
import type { BatchDetail, BatchView } from './batch-stores.ts';
import { isoDates } from './schemas.ts';

/** A batch as the API shows it. */
export function batchReply(batch: BatchView) {
  const { limits: _, ...provider } = batch.provider;
  const total = totalOf(batch.counts);
  return { ...isoDates(batch), provider, progress: total === 0 ? 0 : 1 - openOf(batch.counts) / total };
}

/** With what limits it and when it will be done. */
export function batchDetail(batch: BatchDetail, limitOf: (providerId: string) => string | null) {
  const { options: _, preflight: _preflight, settledRecently, nextRetryAt, ...view } = batch;
  const perSecond = Math.round(settledRecently * 10) / 10;
  return {
    ...batchReply(view as BatchView),
    template: batch.template,
    attachments: batch.attachments,
    perSecond,
    limitedBy: limitedBy(batch, limitOf(batch.provider.id)),
    etaSeconds: etaSeconds(batch),
  };
}

function limitedBy(batch: BatchDetail, liveLimit: string | null): string | null {
  const { provider, counts } = batch;
  switch (batch.state) {
    case 'draft':
      return batch.total === 0 ? 'waits for recipients' : 'waits for POST …/send';
    case 'scheduled':
      return `waits until ${batch.scheduledAt?.toISOString()}`;
    case 'paused':
      return batch.note ?? 'paused';
    case 'sending':
      break;
    default:
      return null;
  }
  if (batch.note) return batch.note;
  if (provider.state === 'paused') return `provider ${provider.name} is paused: ${provider.pauseReason}`;
  if (counts.queued + counts.sending === 0 && batch.nextRetryAt)
    return `waits to retry ${counts.deferred} messages, next at ${batch.nextRetryAt.toISOString()}`;
  const limit = liveLimit ?? rateLimitsOf(provider.limits).map((rate) => rate.label)[0];
  return limit ? `${provider.name} ${limit}` : null;
}

function etaSeconds(batch: BatchDetail): number | null {
  if (batch.state !== 'sending' || batch.provider.state === 'paused') return null;
  const left = batch.counts.queued + batch.counts.sending;
  const pace = Math.min(
    batch.settledRecently || Number.POSITIVE_INFINITY,
    sustainedPerSecond(batch.provider.limits),
  );
  return Number.isFinite(pace) && pace > 0 ? Math.ceil(left / pace) : null;
}
