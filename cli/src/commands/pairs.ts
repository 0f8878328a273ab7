import { CliError, EXIT } from '../cli-error.ts';

/** `NAME=VALUE` entries of a flag as a record. @throws CliError `option_invalid` */
export function pairs(flag: string, values: string[] = []): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const at = value.indexOf('=');
      if (at <= 0) throw new CliError('option_invalid', EXIT.usage, `${flag} ${value} is not NAME=VALUE.`);
      return [value.slice(0, at), value.slice(at + 1)];
    }),
  );
}
