import { join } from 'node:path';
import { CliError, EXIT } from '../cli-error.ts';
import { CHECKS, chooseChecks } from '../doctor/all.ts';
import { writeBundle } from '../doctor/bundle.ts';
import type { Check, Repair } from '../doctor/check.ts';
import { DoctorFacts } from '../doctor/facts.ts';
import { type Diagnosis, runCheck, runChecks } from '../doctor/run-checks.ts';
import type { Output } from '../output/output.ts';
import { DEVELOPMENT_KEY } from '../test-batch.ts';
import { openStack, type StackFlags, wishedBy } from './context.ts';

export interface DoctorFlags extends StackFlags {
  list?: boolean;
  deep?: boolean;
  fix?: boolean;
  yes?: boolean;
  bundle?: string | boolean;
}

export interface DoctorResult {
  checks: Diagnosis[];
  summary: { ok: number; failed: number; warnings: number; skipped: number };
  bundle: string | null;
  exitCode: number;
}

type Result = Awaited<ReturnType<typeof runCheck>>;

/** Runs the checks, mends what it may, and says what is left. */
export async function doctor(names: string[], flags: DoctorFlags, output: Output): Promise<DoctorResult> {
  const stack = openStack(flags);
  const apiKey = process.env.BATCHSENDER_API_KEY ?? DEVELOPMENT_KEY;
  // Before the first `up`, what settings would make of it; after that, what it was started with.
  const wished = () => (stack.state.selection.runtime === null ? wishedBy(stack, {}) : null);
  const newFacts = () => new DoctorFacts(stack, process.env, apiKey, wished());
  const facts = newFacts();
  const found = await runChecks(chooseChecks(names, flags.deep === true), facts);
  const results = flags.fix ? await mend(found, newFacts, flags, output) : found;
  const bundle = flags.bundle ? await bundled(flags.bundle, facts, results) : null;
  return summarise(results, bundle);
}

export function listChecks() {
  return CHECKS.map(({ id, category, severity, title, deep }) => ({
    id,
    category,
    severity,
    title,
    deep: deep === true,
  }));
}

/** One repair after the other, each after a question, and the check once more: it says whether it helped. */
async function mend(
  results: Result[],
  newFacts: () => DoctorFacts,
  flags: DoctorFlags,
  output: Output,
): Promise<Result[]> {
  const mended: Result[] = [];
  for (const result of results) {
    if (!result.repair) {
      mended.push(result);
      continue;
    }
    if (!(await agreed(result.repair, flags, output))) {
      mended.push(marked(result, 'declined'));
      continue;
    }
    mended.push(await repaired(result.check, result.repair, newFacts));
  }
  return mended;
}

async function repaired(check: Check, repair: Repair, newFacts: () => DoctorFacts): Promise<Result> {
  const error = await repair.run().then(
    () => null,
    (reason: Error) => reason,
  );
  const again = await runCheck(check, newFacts());
  if (!error) return marked(again, again.diagnosis.status === 'ok' ? 'yes' : 'no');
  const { diagnosis } = marked(again, 'no');
  return { ...again, diagnosis: { ...diagnosis, evidence: [error.message] } };
}

function marked(result: Result, repaired: Diagnosis['repaired']): Result {
  return { ...result, diagnosis: { ...result.diagnosis, repaired } };
}

/** @throws CliError `confirmation_needed` where nobody can be asked */
async function agreed(repair: Repair, flags: DoctorFlags, output: Output): Promise<boolean> {
  if (flags.yes) return true;
  if (!output.interactive)
    throw new CliError(
      'confirmation_needed',
      EXIT.usage,
      `--fix would ${repair.title}, and nobody can be asked here.`,
      {
        fix: 'Say yes beforehand: batchsender doctor --fix --yes',
      },
    );
  return output.confirm(`${repair.title}?`);
}

async function bundled(option: string | true, facts: DoctorFacts, results: Result[]): Promise<string> {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-').slice(0, 19);
  const file =
    typeof option === 'string' ? option : join(process.cwd(), `batchsender-doctor-${stamp}.tar.gz`);
  await writeBundle(
    file,
    facts,
    results.map(({ diagnosis }) => diagnosis),
  );
  return file;
}

function summarise(results: Result[], bundle: string | null): DoctorResult {
  const failures = results.filter(({ diagnosis }) => diagnosis.status === 'failed');
  const critical = failures.filter(({ check }) => check.severity === 'critical');
  const count = (status: string) => results.filter(({ diagnosis }) => diagnosis.status === status).length;
  return {
    checks: results.map(({ diagnosis }) => diagnosis),
    summary: {
      ok: count('ok'),
      failed: critical.length,
      warnings: failures.length - critical.length,
      skipped: count('skipped'),
    },
    bundle,
    // Checks are in order of cause: the first that fails is the one to begin with.
    exitCode: critical[0]?.check.exitCode ?? EXIT.ok,
  };
}
