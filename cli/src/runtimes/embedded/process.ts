import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessRecord } from '../../stack/stack.ts';

export interface ProcessSpec {
  program: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** Runs as this user when the CLI runs as root. */
  user?: { uid: number; gid: number };
}

const POLL_MS = 20;
const KILL_WAIT_MS = 2000;

/** Starts a process that outlives the CLI, with its output in a log file. */
export async function startProcess(spec: ProcessSpec, hash: string, log: string): Promise<ProcessRecord> {
  const output = openSync(log, 'a');
  try {
    const child = spawn(spec.program, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: ['ignore', output, output],
      ...(spec.user && process.getuid?.() === 0 ? spec.user : {}),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid!;
    return {
      pid,
      startTime: startTimeOf(pid),
      bootId: bootId(),
      startedAt: new Date().toISOString(),
      spec: hash,
      log,
    };
  } finally {
    closeSync(output);
  }
}

/** Whether the recorded process still runs: same number, same start, same boot. */
export function isAlive(record: ProcessRecord | undefined): boolean {
  if (!record || record.pid <= 0) return false;
  if (record.bootId !== null && record.bootId !== bootId()) return false;
  try {
    process.kill(record.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const startTime = startTimeOf(record.pid);
  return startTime !== 'gone' && (record.startTime === null || startTime === record.startTime);
}

/** Ends a process and waits until it is gone; returns false when it would not go. */
export async function stopProcess(
  record: ProcessRecord,
  signal: NodeJS.Signals,
  timeoutMs: number,
): Promise<boolean> {
  if (!isAlive(record)) return true;
  send(record.pid, signal);
  if (await gone(record, timeoutMs)) return true;
  send(-record.pid, 'SIGKILL');
  send(record.pid, 'SIGKILL');
  return gone(record, KILL_WAIT_MS);
}

async function gone(record: ProcessRecord, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline) {
    if (!isAlive(record)) return true;
    await sleep(POLL_MS);
  }
  return !isAlive(record);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

/** Start time in clock ticks since boot on Linux; "gone" for a process that is not there or a zombie. */
function startTimeOf(pid: number): string | null {
  if (process.platform !== 'linux') return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'gone' : fields[19]!;
  } catch {
    return 'gone';
  }
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}

/** This very process, as others can check it. */
export function ownRecord(): ProcessRecord {
  const { pid } = process;
  return {
    pid,
    startTime: startTimeOf(pid),
    bootId: bootId(),
    startedAt: new Date().toISOString(),
    spec: '',
    log: '',
  };
}
