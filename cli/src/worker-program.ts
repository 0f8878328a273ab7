import { CliError, EXIT } from './cli-error.ts';
import { WORKER_MAIN } from './components/worker.ts';

export interface WorkerError {
  code: string;
  message: string;
  fix?: string;
}

/** Runs the worker's program for a job of its own (migrate, seed, …) and returns the JSON it prints. */
export async function runWorker<T>(
  args: string[],
  env: Record<string, string>,
  options: { signal?: AbortSignal; exitCode?: number; input?: 'inherit' } = {},
): Promise<T> {
  // Loaded here: most commands run no program.
  const { execa } = await import('execa');
  const result = await execa(process.execPath, [WORKER_MAIN, ...args], {
    env,
    extendEnv: false,
    reject: false,
    cancelSignal: options.signal,
    stdin: options.input ?? 'ignore',
    maxBuffer: 1024 * 1024 * 1024,
  });
  if (result.exitCode === 0) return JSON.parse(result.stdout) as T;
  throw workerFailure(args[0]!, result.stderr, options.exitCode ?? EXIT.failed);
}

function workerFailure(command: string, stderr: string, exitCode: number): CliError {
  const last = stderr.trim().split('\n').at(-1) ?? '';
  try {
    const { error } = JSON.parse(last) as { error: WorkerError };
    return new CliError(error.code, exitCode, error.message, { fix: error.fix });
  } catch {
    return new CliError(`worker_${command}_failed`, exitCode, `"worker ${command}" failed.`, {
      evidence: stderr.split('\n').slice(-20),
    });
  }
}
