import { withLock } from '../stack/lock.ts';
import type { Stack } from '../stack/stack.ts';
import type { DoctorFacts } from './facts.ts';

export const CATEGORIES = ['host', 'docker', 'stack', 'sender'] as const;
export type Category = (typeof CATEGORIES)[number];

/** `critical`: something does not work, or data is at risk. `warning`: it works, and will bite. */
export type Severity = 'critical' | 'warning';

/** What a check can do about what it found; data is never removed by one. */
export interface Repair {
  /** What it will do, as a question would say it: "remove the 2 stale records". */
  title: string;
  run(): Promise<void>;
}

/** A repair that changes the stack: no other command works on it meanwhile. */
export function repairOf(stack: Stack, title: string, work: () => Promise<unknown>): Repair {
  return {
    title,
    run: async () => {
      // A first command may be this one.
      if (!stack.exists) stack.prepare();
      await withLock(stack, 'batchsender doctor --fix', work);
    },
  };
}

export type Finding =
  | { status: 'ok'; message: string }
  /** It does not apply here, or cannot be asked; the message says why. */
  | { status: 'skipped'; message: string }
  | { status: 'failed'; message: string; fix: string; evidence?: string[]; repair?: Repair };

/**
 * `started`: the stack was brought up once. `schema`: that, and its database is current. `worker`: it answers.
 * `docker`: the stack runs in an engine, and that answers.
 */
export type Need = 'started' | 'schema' | 'worker' | 'docker';

/** One thing that may be wrong. A file each, in checks/. */
export interface Check {
  /** Stable: used on the command line, in JSON and in documentation. */
  id: string;
  category: Category;
  severity: Severity;
  /** What it looks at, for --list. */
  title: string;
  /** From the table in docs/exit-codes.md: what `doctor` ends with when this is the worst that is found. */
  exitCode: number;
  /** Sends, asks servers elsewhere, or takes long: only with --deep, or when it is named. */
  deep?: boolean;
  /** Cheap and about the host: `up` runs it before anything else. */
  preflight?: boolean;
  /** Id of the error with which `up` ends when it fails; `doctor_<id>` when absent. */
  errorId?: string;
  /** Without it there is nothing to look at: the check is skipped, and says so. */
  needs?: Need;
  /** At most a few hundred milliseconds by rule; cut off after three seconds. */
  detect(facts: DoctorFacts): Promise<Finding>;
}

export const ok = (message: string): Finding => ({ status: 'ok', message });
export const skipped = (message: string): Finding => ({ status: 'skipped', message });
export const failed = (
  message: string,
  fix: string,
  more: { evidence?: string[]; repair?: Repair } = {},
): Finding => ({ status: 'failed', message, fix, ...more });
