import { CliError, EXIT } from '../cli-error.ts';
import { worker, workerEnv } from '../components/worker.ts';
import { createTestBatch, DEVELOPMENT_KEY } from '../test-batch.ts';
import { runWorker } from '../worker-program.ts';
import { openStack, planOf, runtimesOf, type StackFlags } from './context.ts';

export interface SeedResult {
  created: string[];
  batch: { id: string; total: number } | null;
}

/** Development account, and with a size a test batch of that many recipients. */
export async function seed(flags: StackFlags & { batch?: string }): Promise<SeedResult> {
  const stack = openStack(flags);
  const context = planOf(stack).context(worker);
  if (!(await (await runtimesOf(stack)).of(worker).isRunning(worker, context))) {
    throw new CliError('stack_not_running', EXIT.notRunning, 'The stack is not running.', {
      fix: 'Start it with: batchsender up',
    });
  }
  const { created } = await runWorker<{ created: string[] }>(['seed'], workerEnv(context));
  if (flags.batch === undefined) return { created, batch: null };
  const size = Number(flags.batch);
  if (!Number.isInteger(size) || size < 1 || size > 10_000_000) {
    throw new CliError(
      'batch_size_invalid',
      EXIT.usage,
      `--batch ${flags.batch} is not a number from 1 to 10,000,000.`,
    );
  }
  const batch = await createTestBatch(context.urlOf('worker')!, DEVELOPMENT_KEY, size);
  return { created, batch: { id: batch.id, total: batch.total } };
}
