import kleur from 'kleur';
import { table } from '../output/table.ts';
import type { UpFlags } from './context.ts';
import type { UpResult } from './up.ts';

/** The summary of `up` for a person: URLs, credentials, and what to do next. */
export function upText(result: UpResult, flags: UpFlags): string {
  const rows = result.components
    .filter((one) => one.state !== 'absent' || flags.dryRun)
    .map((one) => [one.title, one.url ?? one.detail, one.credentials ?? '']);
  const lines = ['', table(rows)];
  if (flags.dryRun) return lines.join('\n');
  if (flags.timings)
    lines.push(
      '',
      'critical chain',
      table(
        result.criticalChain.map((one) => [
          `  ${one.title}`,
          `${(one.startMs / 1000).toFixed(2)} s`,
          `+ ${((one.endMs - one.startMs) / 1000).toFixed(2)} s`,
        ]),
      ),
    );
  lines.push(
    '',
    kleur.bold(`stack ${result.stack.name} is up after ${result.seconds.toFixed(1)} s`),
    `send:  npx batchsender send recipients.csv --from news@example.com --subject "Hello {{ name }}" --html body.html`,
    'stop:  npx batchsender down',
  );
  return lines.join('\n');
}
