import { worker, workerEnv } from '../components/worker.ts';
import { DEVELOPMENT_KEY } from '../test-batch.ts';
import type { Rendered } from './batch.ts';
import { openStack, planOf, type StackFlags } from './context.ts';

/** What a program needs to use this stack, as lines for a .env file. Holds secrets: development only. */
export async function env(flags: StackFlags): Promise<Rendered<Record<string, string>>> {
  const plan = planOf(openStack(flags));
  const context = plan.context(worker);
  const { DATABASE_URL, CLICKHOUSE_URL, NATS_URL, REDIS_URL, SECRET_KEY, STACK_ID } = workerEnv(context);
  const all = {
    DATABASE_URL,
    CLICKHOUSE_URL,
    NATS_URL,
    REDIS_URL,
    SECRET_KEY,
    STACK_ID,
    BATCHSENDER_URL: context.urlOf('worker'),
    BATCHSENDER_API_KEY: DEVELOPMENT_KEY,
  };
  const value = Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
  return {
    value,
    text: Object.entries(value)
      .map(([name, text]) => `${name}=${text}`)
      .join('\n'),
  };
}
