import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch, WorkerApi } from '../api/worker-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import type { Output } from '../output/output.ts';

const POLL_MS = 250;
/** Without a terminal a line is printed this often, milliseconds. */
const PLAIN_LINE_MS = 5000;
const BAR_WIDTH = 24;
const FINAL = ['completed', 'cancelled'];

/** Follows a batch to its end, with a bar on a terminal and plain lines elsewhere. Interrupting leaves it sending. */
export async function followBatch(
  api: WorkerApi,
  id: string,
  output: Output,
  signal: AbortSignal,
): Promise<Batch> {
  let printedAt = 0;
  const began = Date.now();
  for (;;) {
    const batch = await api.get<Batch>(`/api/batches/${id}`);
    const line = progressLine(batch, Date.now() - began);
    if (FINAL.includes(batch.state)) {
      output.event({ type: 'progress', ...progressOf(batch) }, line);
      return batch;
    }
    if (output.interactive) output.live(line);
    else if (Date.now() - printedAt >= PLAIN_LINE_MS) {
      output.event({ type: 'progress', ...progressOf(batch) }, line);
      printedAt = Date.now();
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted)
      throw new CliError('interrupted', EXIT.interrupted, `No longer following; batch ${id} goes on.`, {
        fix: `Stop it with: batchsender batch pause ${id}`,
      });
  }
}

function progressOf(batch: Batch) {
  return {
    id: batch.id,
    state: batch.state,
    total: batch.total,
    counts: batch.counts,
    progress: batch.progress,
    limitedBy: batch.limitedBy,
    etaSeconds: batch.etaSeconds,
  };
}

export function progressLine(batch: Batch, elapsedMs: number): string {
  const filled = Math.round(batch.progress * BAR_WIDTH);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
  const done = Math.round(batch.progress * batch.total);
  const pace = elapsedMs > 0 && done > 0 ? `${Math.round((done * 1000) / elapsedMs)}/s` : '';
  const eta = batch.etaSeconds ? `${duration(batch.etaSeconds)} left` : '';
  return [`${bar} ${done}/${batch.total}`, pace, eta, batch.limitedBy ?? '']
    .filter(Boolean)
    .join('  ')
    .slice(0, 200);
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Counts that are not zero, for a person. */
export function countsLine(batch: Batch): string {
  return (
    Object.entries(batch.counts)
      .filter(([, count]) => count !== 0)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ') || 'no messages'
  );
}
