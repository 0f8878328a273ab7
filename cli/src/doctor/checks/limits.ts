import { readFileSync } from 'node:fs';
import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Connections, log files and data files of all parts together stay well below. */
const NEEDED_FILES = 1024;

export const limits: Check = {
  id: 'limits',
  category: 'host',
  severity: 'warning',
  title: 'limits of this machine: open files, processes',
  exitCode: EXIT.limits,
  preflight: true,
  async detect() {
    if (process.platform !== 'linux') return skipped('only Linux tells');
    const files = limitOf('Max open files');
    if (files < NEEDED_FILES)
      return failed(
        `A process may open ${files} files; ${NEEDED_FILES} are needed.`,
        `ulimit -n ${NEEDED_FILES * 8}, and for good in /etc/security/limits.conf`,
      );
    const pids = pidsMax();
    if (pids !== null && pids < 256)
      return failed(
        `The control group allows ${pids} processes and threads; 256 are needed.`,
        'Raise pids.max of the container (docker run --pids-limit 1024).',
      );
    return ok(`${files} open files`);
  },
};

function limitOf(name: string): number {
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  return soft === 'unlimited' || soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

function pidsMax(): number | null {
  try {
    const text = readFileSync('/sys/fs/cgroup/pids.max', 'utf8').trim();
    return text === 'max' ? null : Number(text);
  } catch {
    return null;
  }
}
