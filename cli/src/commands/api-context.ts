import { WorkerApi } from '../api/worker-api.ts';
import { worker } from '../components/worker.ts';
import { DEVELOPMENT_KEY } from '../test-batch.ts';
import { openStack, planOf, type StackFlags } from './context.ts';

export interface ApiFlags extends StackFlags {
  url?: string;
  apiKey?: string;
}

/** The API of the named worker, or of this checkout's stack with its development key. */
export function workerApi(flags: ApiFlags): WorkerApi {
  const url = flags.url ?? process.env.BATCHSENDER_URL;
  const key = flags.apiKey ?? process.env.BATCHSENDER_API_KEY;
  if (url) return new WorkerApi(url.replace(/\/$/, ''), key ?? DEVELOPMENT_KEY);
  const stack = openStack(flags);
  return new WorkerApi(planOf(stack).context(worker).urlOf('worker')!, key ?? DEVELOPMENT_KEY);
}
