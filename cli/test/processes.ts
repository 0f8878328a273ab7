import { readFileSync } from 'node:fs';

/** A process that ended but was not reaped yet does not count. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
