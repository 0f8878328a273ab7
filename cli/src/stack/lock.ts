import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, EXIT } from '../cli-error.ts';
import { isAlive, ownRecord } from '../runtimes/embedded/process.ts';
import type { ProcessRecord, Stack } from './stack.ts';

interface LockOwner {
  command: string;
  process: ProcessRecord;
}

/** How long a command waits for another one on the same stack, milliseconds. */
const WAIT_MS = 60_000;
const POLL_MS = 100;

/** Runs `work` alone: two commands never change one stack at the same time. A dead owner's lock is taken over. */
export async function withLock<T>(stack: Stack, command: string, work: () => Promise<T>): Promise<T> {
  const file = join(stack.dir, 'lock');
  const release = await acquire(file, command);
  try {
    stack.reload();
    return await work();
  } finally {
    release();
  }
}

async function acquire(file: string, command: string): Promise<() => void> {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    if (tryCreate(file, command)) return () => rmSync(file, { force: true });
    const owner = readOwner(file);
    if (!owner || !isAlive(owner.process)) {
      rmSync(file, { force: true });
      continue;
    }
    if (Date.now() > deadline) {
      throw new CliError(
        'stack_locked',
        EXIT.stackLocked,
        `"${owner.command}" (PID ${owner.process.pid}, since ${owner.process.startedAt}) is still working on this stack.`,
        {
          fix: 'Wait for it, or end that process and try again.',
        },
      );
    }
    await sleep(POLL_MS);
  }
}

function tryCreate(file: string, command: string): boolean {
  try {
    const handle = openSync(file, 'wx');
    writeSync(handle, JSON.stringify({ command, process: ownRecord() } satisfies LockOwner));
    closeSync(handle);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Null for a lock that is gone or not yet written; the latter is a matter of microseconds. */
function readOwner(file: string): LockOwner | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LockOwner;
  } catch {
    return null;
  }
}
