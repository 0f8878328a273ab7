import type { Logger } from 'pino';
import { sleep } from '../lifecycle.ts';

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2000;
/** Longer than a lease: by then the chunk has another owner and the statement would do nothing. */
const GIVE_UP_MS = 60_000;

/**
 * Runs a statement until the database answers. Outcomes must not be lost to a restart of PostgreSQL, and every
 * statement used with this is guarded by the chunk's epoch, so a repetition does no harm.
 */
export async function persist<T>(statement: () => Promise<T>, log: Logger): Promise<T> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await statement();
    } catch (error) {
      if (!isPassing(error) || performance.now() > giveUpAt) throw error;
      log.warn({ err: error, waitMs }, 'database not available, trying again');
      await sleep(waitMs);
    }
  }
}

/** Connection trouble, shutdown and start-up (57P0x), deadlock (40P01), too many connections (53300). */
function isPassing(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  const message = error instanceof Error ? error.message : '';
  return /^(08|57P0|40|53300|E[A-Z]+$)/.test(code) || /terminat|timeout|Connection|closed/i.test(message);
}
