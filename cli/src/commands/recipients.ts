import { existsSync } from 'node:fs';
import { CliError, EXIT } from '../cli-error.ts';
import { runWorker } from '../worker-program.ts';

export interface CheckFlags {
  channel: string;
  format?: string;
  encoding?: string;
  delimiter?: string;
  defaultCountry?: string;
  map?: string[];
  consent?: string;
  duplicates?: string;
  jsonColumns?: string;
  all?: boolean;
}

export interface FileCheck {
  file_error: string | null;
  file_error_text: string | null;
  accepted_count: number;
  accepted: { address: string; variables: Record<string, unknown> }[];
  rejected: { row: number; column: string | null; reason: string; text: string }[];
  columns: string[];
  encoding: string | null;
  delimiter: string | null;
  format: string | null;
}

const SHOWN_ROWS = 5;
const DELIMITER_NAMES: Record<string, string> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'pipe' };

/** How a file would be understood, without a stack. */
export async function checkRecipients(
  file: string,
  flags: CheckFlags,
): Promise<{ value: FileCheck; text: string; exitCode: number }> {
  if (file !== '-' && !existsSync(file))
    throw new CliError('file_not_found', EXIT.notFound, `There is no file ${file}.`);
  const options = {
    channel: flags.channel,
    format: flags.format,
    encoding: flags.encoding,
    delimiter: flags.delimiter,
    'default-country': flags.defaultCountry,
    consent: flags.consent,
    duplicates: flags.duplicates,
    'json-columns': flags.jsonColumns,
  };
  const args = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  const maps = flags.map?.length ? ['--map', ...flags.map] : [];
  const check = await runWorker<FileCheck>(
    ['check-recipients', ...args, ...(flags.all ? ['--all'] : []), ...maps, '--', file],
    { PATH: process.env.PATH ?? '' },
    { exitCode: EXIT.usage, input: file === '-' ? 'inherit' : undefined },
  );
  return {
    value: check,
    text: checkText(file, check),
    exitCode: check.file_error || check.accepted_count === 0 ? EXIT.messagesFailed : EXIT.ok,
  };
}

function checkText(file: string, check: FileCheck): string {
  if (check.file_error) return `${file}: ${check.file_error_text}`;
  const delimiter =
    check.delimiter === null
      ? ''
      : `, ${DELIMITER_NAMES[check.delimiter] ?? JSON.stringify(check.delimiter)}`;
  const lines = [
    `${file}: ${check.format} in ${check.encoding}${delimiter}`,
    `columns   ${check.columns.join(', ')}`,
    `accepted  ${check.accepted_count}`,
    ...check.accepted
      .slice(0, SHOWN_ROWS)
      .map((row) => `          ${row.address} ${JSON.stringify(row.variables)}`),
    `rejected  ${check.rejected.length}`,
    ...check.rejected.map(
      (row) => `          row ${row.row}${row.column ? `, ${row.column}` : ''}: ${row.reason} (${row.text})`,
    ),
  ];
  return lines.join('\n');
}
