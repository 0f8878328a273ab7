import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { release, tmpdir } from 'node:os';

/** What the kernel and the control group allow; null where it does not say. */
export interface MachineLimits {
  openFiles: number | null;
  processes: number | null;
  lockedBytes: number | null;
  memoryMaps: number | null;
  /** Why a file cannot be watched for changes right now. */
  watching: 'EMFILE' | 'ENOSPC' | null;
  watchInstances: number | null;
  watches: number | null;
  /** kernel.io_uring_disabled: 0 for all, 1 for none but its group, 2 for nobody. */
  ioUringDisabled: number | null;
  kernel: string;
}

export interface Shortage {
  message: string;
  fix: string;
}

/** Connections, log files and data files of all parts together stay well below. */
const NEEDED_FILES = 1024;
const NEEDED_PROCESSES = 256;
/** The kernel's own default, at which ClickHouse was seen to end: ClickHouse/ClickHouse#43864. */
const NEEDED_MAPS = 65_530;
/** Rings of io_uring count as locked memory before Linux 5.12: io_uring_mlock_size(3). */
const LOCKED_UNTIL = [5, 12] as const;
/** A kernel's default of 64 KiB does not suffice for Dragonfly's rings; 8 MiB is the default since 5.16. */
const NEEDED_LOCKED_BYTES = 8 * 1024 * 1024;

/** As Linux tells it; each is read at once, nothing is started. */
export function readLimits(): MachineLimits {
  return {
    openFiles: processLimit('Max open files'),
    processes: numberIn('/sys/fs/cgroup/pids.max'),
    lockedBytes: processLimit('Max locked memory'),
    memoryMaps: numberIn('/proc/sys/vm/max_map_count'),
    watching: tryWatching(),
    watchInstances: numberIn('/proc/sys/fs/inotify/max_user_instances'),
    watches: numberIn('/proc/sys/fs/inotify/max_user_watches'),
    ioUringDisabled: numberIn('/proc/sys/kernel/io_uring_disabled'),
    kernel: release(),
  };
}

/** The first that is too low, with what raises it. */
export function shortageOf(
  limits: MachineLimits,
  has: { clickhouse: boolean; dragonfly: boolean },
): Shortage | null {
  const below = (value: number | null, needed: number) => value !== null && value < needed;
  if (below(limits.openFiles, NEEDED_FILES))
    return {
      message: `A process may open ${limits.openFiles} files; ${NEEDED_FILES} are needed.`,
      fix: `ulimit -n ${NEEDED_FILES * 8}, and for good in /etc/security/limits.conf`,
    };
  if (below(limits.processes, NEEDED_PROCESSES))
    return {
      message: `The control group allows ${limits.processes} processes and threads; ${NEEDED_PROCESSES} are needed.`,
      fix: 'Raise pids.max of the container (docker run --pids-limit 1024).',
    };
  if (limits.watching) return watchShortage(limits);
  if (has.clickhouse && below(limits.memoryMaps, NEEDED_MAPS))
    return {
      message: `vm.max_map_count is ${limits.memoryMaps}; ClickHouse needs ${NEEDED_MAPS}.`,
      fix: 'sudo sysctl -w vm.max_map_count=262144, and for good in /etc/sysctl.d/',
    };
  if (has.dragonfly && isOlder(limits.kernel) && below(limits.lockedBytes, NEEDED_LOCKED_BYTES))
    return {
      message: `Linux ${limits.kernel} lets a process lock ${limits.lockedBytes} bytes of memory; Dragonfly needs ${NEEDED_LOCKED_BYTES}.`,
      fix: 'ulimit -l unlimited, and for good in /etc/security/limits.conf; or another kernel (5.12 or newer).',
    };
  return null;
}

/** What is worth knowing, and no fault. */
export function describeLimits(limits: MachineLimits, has: { dragonfly: boolean }): string {
  const slow = has.dragonfly && (limits.ioUringDisabled ?? 0) > 0;
  return [
    `${limits.openFiles ?? 'unlimited'} open files`,
    `${limits.watches ?? 'unknown'} watched`,
    `${limits.memoryMaps ?? 'unknown'} maps`,
    ...(slow ? ['io_uring is off, Dragonfly uses epoll'] : []),
  ].join(', ');
}

function watchShortage({ watching, watchInstances, watches }: MachineLimits): Shortage {
  const [name, value] =
    watching === 'EMFILE' ? ['max_user_instances', watchInstances] : ['max_user_watches', watches];
  return {
    message: `No file can be watched for changes: fs.inotify.${name} (${value ?? 'unknown'}) is used up. Prometheus would not see new targets.`,
    fix: `sudo sysctl -w fs.inotify.${name}=${(value ?? 128) * 8}, or end the program that watches so much (an editor, a file synchroniser).`,
  };
}

/** The limit is per user, and others use it up: only an attempt tells. */
function tryWatching(): MachineLimits['watching'] {
  let watcher: FSWatcher | null = null;
  try {
    watcher = watch(tmpdir(), { persistent: false });
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EMFILE' || code === 'ENOSPC' ? code : null;
  } finally {
    watcher?.close();
  }
}

function isOlder(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return major < LOCKED_UNTIL[0] || (major === LOCKED_UNTIL[0] && minor < LOCKED_UNTIL[1]);
}

function processLimit(name: string): number | null {
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(name));
  const soft = Number(line?.slice(name.length).trim().split(/\s+/)[0]);
  return Number.isFinite(soft) ? soft : null;
}

function numberIn(file: string): number | null {
  try {
    const value = Number(readFileSync(file, 'utf8').trim());
    return Number.isFinite(value) ? value : null;
  } catch {
    return null;
  }
}
