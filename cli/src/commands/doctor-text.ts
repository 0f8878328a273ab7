import kleur from 'kleur';
import { CATEGORIES } from '../doctor/check.ts';
import type { Diagnosis } from '../doctor/run-checks.ts';
import { table } from '../output/table.ts';
import { wrap } from '../output/wrap.ts';
import type { DoctorResult, listChecks } from './doctor.ts';

const WIDTH = 78;
const INDENT = '    ';

/** What is wrong, each with its remedy; then, in short, what is not. */
export function doctorText({ checks, summary, bundle }: DoctorResult): string {
  const lines: string[] = [];
  for (const category of CATEGORIES) {
    const those = checks.filter((check) => check.category === category);
    if (those.length === 0) continue;
    lines.push(kleur.bold(category), ...those.flatMap(checkLines), '');
  }
  const { ok, failed, warnings, skipped } = summary;
  lines.push(`${ok} in order, ${failed} failed, ${warnings} warnings, ${skipped} not applicable`);
  if (bundle) lines.push(`archive: ${bundle}`);
  return lines.join('\n');
}

function checkLines(check: Diagnosis): string[] {
  const name = check.id.padEnd(18);
  const said = wrap(check.message, WIDTH - 22);
  if (check.status === 'skipped') return [kleur.dim(`  ○ ${name}${short(check.message)}`)];
  if (check.status === 'ok') {
    const mended = check.repaired === 'yes' ? 'mended: ' : '';
    return [`  ${kleur.green('✔')} ${name}${kleur.dim(mended + short(check.message))}`];
  }
  const mark = check.severity === 'critical' ? kleur.red('✘') : kleur.yellow('!');
  return [
    `  ${mark} ${name}${said[0]}`,
    ...said.slice(1).map((line) => `${' '.repeat(22)}${line}`),
    ...(check.evidence ?? []).map((line) => kleur.dim(`${INDENT}│ ${line.slice(0, WIDTH)}`)),
    ...wrap(`fix: ${check.fix ?? ''}${check.repair ? ` (or --fix: ${check.repair})` : ''}`, WIDTH - 4).map(
      (line) => `${INDENT}${kleur.cyan(line)}`,
    ),
    ...(check.repaired ? [`${INDENT}repair: ${check.repaired}`] : []),
  ];
}

function short(text: string): string {
  return text.length > WIDTH - 22 ? `${text.slice(0, WIDTH - 23)}…` : text;
}

export function listText(checks: ReturnType<typeof listChecks>): string {
  return table(
    checks.map(({ id, category, severity, title, deep }) => [
      id,
      category,
      severity,
      `${title}${deep ? ' (deep)' : ''}`,
    ]),
  );
}
