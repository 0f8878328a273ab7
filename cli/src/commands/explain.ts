import type { Explanation } from '../api/worker-api.ts';
import { type ApiFlags, workerApi } from './api-context.ts';
import type { Rendered } from './batch.ts';

/** In words: what became of a batch or a message, what it waits for, and what to do. */
export async function explain(id: string, flags: ApiFlags): Promise<Rendered<Explanation>> {
  const value = await workerApi(flags).get<Explanation>(`/api/explanations/${encodeURIComponent(id)}`);
  const { summary, waitsFor, advice, timeline } = value;
  const lines = [summary];
  if (waitsFor) lines.push('', `waits for ${waitsFor}`);
  if (advice.length) lines.push('', ...advice.map((one) => `→ ${one}`));
  if (timeline.length) lines.push('', ...timeline.map(({ at, text }) => `${at}  ${text}`));
  return { value, text: lines.join('\n') };
}
