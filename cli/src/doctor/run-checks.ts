import { CliError } from '../cli-error.ts';
import type { Check, Finding, Need, Repair } from './check.ts';
import type { DoctorFacts } from './facts.ts';

const LIMIT_MS = 3000;
/** A check that was named, or --deep, may take this long. */
const DEEP_LIMIT_MS = 60_000;

export interface Diagnosis {
  id: string;
  category: string;
  severity: string;
  title: string;
  status: Finding['status'];
  message: string;
  fix?: string;
  evidence?: string[];
  /** What --fix would do. */
  repair?: string;
  /** With --fix: what came of it. */
  repaired?: 'yes' | 'no' | 'declined';
  ms: number;
}

/** All side by side: none waits for another, and none holds the others up. */
export async function runChecks(
  checks: readonly Check[],
  facts: DoctorFacts,
): Promise<{ check: Check; diagnosis: Diagnosis; repair: Repair | null }[]> {
  return Promise.all(checks.map((check) => runCheck(check, facts)));
}

export async function runCheck(
  check: Check,
  facts: DoctorFacts,
): Promise<{ check: Check; diagnosis: Diagnosis; repair: Repair | null }> {
  const began = performance.now();
  const finding = await limited(check, facts);
  const repair = finding.status === 'failed' ? (finding.repair ?? null) : null;
  return {
    check,
    repair,
    diagnosis: {
      id: check.id,
      category: check.category,
      severity: check.severity,
      title: check.title,
      status: finding.status,
      message: finding.message,
      ...(finding.status === 'failed'
        ? { fix: finding.fix, evidence: finding.evidence, repair: repair?.title }
        : {}),
      ms: Math.round(performance.now() - began),
    },
  };
}

async function detect(check: Check, facts: DoctorFacts): Promise<Finding> {
  const lacking = check.needs && (await lackOf(check.needs, facts));
  return lacking ? { status: 'skipped', message: lacking } : check.detect(facts);
}

/** Why the check has nothing to look at; null when it has. */
async function lackOf(need: Need, facts: DoctorFacts): Promise<string | null> {
  switch (need) {
    case 'started':
      return facts.started ? null : 'not started yet';
    case 'schema':
      if (!facts.started) return 'not started yet';
      return (await facts.inspection()).pendingMigrations.length ? 'see migrations' : null;
    case 'worker':
      return (await facts.workerAnswers()) ? null : 'the worker does not answer';
    case 'docker':
      if (!facts.usesDocker) return 'the stack runs without Docker';
      return (await facts.engine()) ? null : 'no engine';
  }
}

/** A check that cannot look is no fault of what it looks at: it says why, and is skipped. */
async function limited(check: Check, facts: DoctorFacts): Promise<Finding> {
  const limitMs = check.deep ? DEEP_LIMIT_MS : LIMIT_MS;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(
      () => resolve({ status: 'skipped', message: `took longer than ${limitMs / 1000} s` }),
      limitMs,
    );
  });
  try {
    return await Promise.race([detect(check, facts), late]);
  } catch (error) {
    const { message } = error as Error;
    const evidence = error instanceof CliError ? error.evidence.slice(-1).join('') : '';
    return { status: 'skipped', message: `cannot be checked: ${message}${evidence ? ` ${evidence}` : ''}` };
  } finally {
    clearTimeout(timer);
  }
}
