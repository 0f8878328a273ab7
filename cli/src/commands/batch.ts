import type { Batch, BatchPage } from '../api/worker-api.ts';
import { table } from '../output/table.ts';
import { type ApiFlags, workerApi } from './api-context.ts';
import { countsLine, duration } from './follow.ts';

export interface Rendered<T> {
  value: T;
  text: string;
}

export async function listBatches(
  flags: ApiFlags & { limit: string; cursor?: string },
): Promise<Rendered<BatchPage>> {
  const query = new URLSearchParams({
    limit: flags.limit,
    ...(flags.cursor ? { cursor: flags.cursor } : {}),
  });
  const page = await workerApi(flags).get<BatchPage>(`/api/batches?${query}`);
  const rows = page.items.map((batch) => [
    batch.id,
    batch.state,
    `${Math.floor(batch.progress * 100)} %`,
    String(batch.total),
    batch.name,
  ]);
  const more = page.next ? `\nmore with --cursor ${page.next}` : '';
  return {
    value: page,
    text: rows.length ? table([['id', 'state', 'done', 'total', 'name'], ...rows]) + more : 'no batches',
  };
}

export async function showBatch(id: string, flags: ApiFlags): Promise<Rendered<Batch>> {
  const batch = await workerApi(flags).get<Batch>(`/api/batches/${id}`);
  return { value: batch, text: batchText(batch) };
}

export async function actOnBatch(
  action: 'pause' | 'resume' | 'cancel',
  id: string,
  flags: ApiFlags,
): Promise<Rendered<Batch>> {
  const batch = await workerApi(flags).post<Batch>(`/api/batches/${id}/${action}`);
  return { value: batch, text: batchText(batch) };
}

export interface RetryFlags extends ApiFlags {
  state?: string;
  to?: string;
}

/** Another round for messages in some states, another provider for what is not sent yet, or both. */
export async function retryBatch(
  id: string,
  flags: RetryFlags,
): Promise<Rendered<Batch & { retried: number }>> {
  const states = flags.state?.split(',').map((state) => state.trim()) ?? [];
  const batch = await workerApi(flags).post<Batch & { retried: number }>(`/api/batches/${id}/retry`, {
    states,
    provider: flags.to,
  });
  return { value: batch, text: `${batch.retried} messages get another round\n${batchText(batch)}` };
}

function batchText(batch: Batch): string {
  const rows = [
    ['id', batch.id],
    ['name', batch.name],
    ['state', batch.state],
    [
      'provider',
      `${batch.provider.name} (${batch.provider.kind}${batch.provider.state === 'paused' ? `, paused: ${batch.provider.pauseReason}` : ''})`,
    ],
    ['messages', `${batch.total}: ${countsLine(batch)}`],
    [
      'done',
      `${Math.floor(batch.progress * 100)} %${batch.etaSeconds ? `, ${duration(batch.etaSeconds)} left` : ''}`,
    ],
    ...(batch.limitedBy ? [['limited by', batch.limitedBy]] : []),
    ...(batch.scheduledAt ? [['scheduled', batch.scheduledAt]] : []),
    ['created', batch.createdAt],
    ...(batch.finishedAt ? [['finished', batch.finishedAt]] : []),
  ];
  return table(rows);
}
