import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, EXIT } from '../cli-error.ts';
import { isAlive, ownRecord } from '../runtimes/embedded/process.ts';
import { createOnce, type ProcessRecord, type Stack } from './stack.ts';

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
  const claim = JSON.stringify({ command, process: ownRecord() } satisfies LockOwner);
  for (;;) {
    // The file appears with its owner in it or not at all: nobody takes a lock that is being written for a dead one.
    if (createOnce(file, claim, 0o644)) return () => rmSync(file, { force: true });
    const owner = readOwner(file);
    if (owner && !isAlive(owner.process)) removeDead(file, owner);
    if (Date.now() > deadline) throw stillLocked(file, owner);
    await sleep(POLL_MS);
  }
}

function stillLocked(file: string, owner: LockOwner | null): CliError {
  return owner
    ? new CliError(
        'stack_locked',
        EXIT.stackLocked,
        `"${owner.command}" (PID ${owner.process.pid}, since ${owner.process.startedAt}) is still working on this stack.`,
        { fix: 'Wait for it, or end that process and try again.' },
      )
    : new CliError('stack_locked', EXIT.stackLocked, `${file} is there, but names no owner.`, {
        fix: 'Remove that file and try again.',
      });
}

/** Two that find the same dead owner: each moves away what is there; who moved a living lock puts it back. */
function removeDead(file: string, dead: LockOwner): void {
  const aside = `${file}.${process.pid}.dead`;
  try {
    renameSync(file, aside);
  } catch {
    return; // Another one was faster.
  }
  const moved = readOwner(aside);
  if (moved && moved.process.pid !== dead.process.pid && isAlive(moved.process))
    createOnce(file, JSON.stringify(moved), 0o644);
  rmSync(aside, { force: true });
}

/** Null for a lock that is gone. */
function readOwner(file: string): LockOwner | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LockOwner;
  } catch {
    return null;
  }
}
