import kleur from 'kleur';
import { CATEGORIES } from '../doctor/check.ts';
import type { Diagnosis } from '../doctor/run-checks.ts';
import { wrap } from '../output/wrap.ts';
import type { DoctorResult, listChecks } from './doctor.ts';

const WIDTH = 78;
const INDENT = '    ';

const NAME_WIDTH = 18;
const TEXT_WIDTH = WIDTH - NAME_WIDTH - INDENT.length;

/**
 * What is wrong, each with its remedy; then, in short, what is not.
 * @param whole in full words what is not wrong, too: for checks that were asked for by name
 */
export function doctorText({ checks, summary, bundle }: DoctorResult, whole: boolean): string {
  const lines: string[] = [];
  for (const category of CATEGORIES) {
    const those = checks.filter((check) => check.category === category);
    if (those.length === 0) continue;
    lines.push(kleur.bold(category), ...those.flatMap((check) => checkLines(check, whole)), '');
  }
  const { ok, failed, warnings, skipped } = summary;
  lines.push(`${ok} in order, ${failed} failed, ${warnings} warnings, ${skipped} not applicable`);
  if (bundle) lines.push(`archive: ${bundle}`);
  return lines.join('\n');
}

function checkLines(check: Diagnosis, whole: boolean): string[] {
  const name = check.id.padEnd(NAME_WIDTH);
  if (check.status !== 'failed') {
    const text = `${check.repaired === 'yes' ? 'mended: ' : ''}${check.message}`;
    const lines = (whole ? wrap(text, TEXT_WIDTH) : [short(text)]).map((line) => kleur.dim(line));
    const mark = check.status === 'ok' ? kleur.green('✔') : kleur.dim('○');
    return [`  ${mark} ${name}${lines[0]}`, ...indented(lines.slice(1))];
  }
  const said = wrap(check.message, TEXT_WIDTH);
  const mark = check.severity === 'critical' ? kleur.red('✘') : kleur.yellow('!');
  return [
    `  ${mark} ${name}${said[0]}`,
    ...indented(said.slice(1)),
    ...(check.evidence ?? []).map((line) => kleur.dim(`${INDENT}│ ${line.slice(0, WIDTH)}`)),
    ...wrap(`fix: ${check.fix ?? ''}${check.repair ? ` (or --fix: ${check.repair})` : ''}`, WIDTH - 4).map(
      (line) => `${INDENT}${kleur.cyan(line)}`,
    ),
    ...(check.repaired ? [`${INDENT}repair: ${check.repaired}`] : []),
  ];
}

function indented(lines: string[]): string[] {
  return lines.map((line) => `${' '.repeat(NAME_WIDTH + INDENT.length)}${line}`);
}

function short(text: string): string {
  return text.length > TEXT_WIDTH ? `${text.slice(0, TEXT_WIDTH - 1)}…` : text;
}

export function listText(checks: ReturnType<typeof listChecks>): string {
  return CATEGORIES.flatMap((category) => [
    kleur.bold(category),
    ...checks
      .filter((check) => check.category === category)
      .flatMap(({ id, severity, title, deep }) => {
        const marks = [
          ...(severity === 'warning' ? ['warning'] : []),
          ...(deep ? ['only with --deep or by name'] : []),
        ];
        const [first, ...more] = wrap(`${title}${marks.length ? ` (${marks.join('; ')})` : ''}`, TEXT_WIDTH);
        return [`    ${id.padEnd(NAME_WIDTH)}${first}`, ...indented(more)];
      }),
    '',
  ])
    .join('\n')
    .trimEnd();
}
