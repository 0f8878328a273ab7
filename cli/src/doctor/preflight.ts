import { CliError } from '../cli-error.ts';
import type { Selection, Stack } from '../stack/stack.ts';
import { CHECKS } from './all.ts';
import { DoctorFacts } from './facts.ts';
import { type Diagnosis, runChecks } from './run-checks.ts';

/**
 * What `up` looks at before it does anything: the doctor's cheap checks of the host.
 * @param wished what is to run; null when the settings say nothing that can be understood, which a check tells
 * @returns warnings, for people
 * @throws CliError for a critical one, named by the check
 */
export async function preflight(
  stack: Stack,
  env: NodeJS.ProcessEnv,
  wished: Selection | null,
): Promise<Diagnosis[]> {
  const checks = CHECKS.filter((check) => check.preflight);
  const results = await runChecks(checks, new DoctorFacts(stack, env, '', wished));
  const failures = results.filter(({ diagnosis }) => diagnosis.status === 'failed');
  const critical = failures.find(({ check }) => check.severity === 'critical');
  if (critical) {
    const { check, diagnosis } = critical;
    throw new CliError(check.errorId ?? `doctor_${check.id}`, check.exitCode, diagnosis.message, {
      fix: diagnosis.fix,
      evidence: diagnosis.evidence,
    });
  }
  return failures.map(({ diagnosis }) => diagnosis);
}
