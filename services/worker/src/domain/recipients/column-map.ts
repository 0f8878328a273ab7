import { AppError } from '../errors.ts';

/**
 * `VARIABLE=COLUMN` entries as options: `address=Mail` names the address column, `name=First Name` the variable
 * of another one.
 *
 * @throws AppError `map_invalid`
 */
export function parseColumnMap(entries: readonly string[]): {
  addressColumn?: string;
  variables?: Record<string, string>;
} {
  const variables: Record<string, string> = {};
  let addressColumn: string | undefined;
  for (const entry of entries) {
    const [, variable, column] = /^([\p{L}_][\p{L}\p{N}_]*)=(.+)$/su.exec(entry) ?? [];
    if (!variable || !column)
      throw new AppError('map_invalid', 400, `"${entry.slice(0, 100)}" is not VARIABLE=COLUMN.`, {
        field: 'map',
        fix: 'Write address=COLUMN, or the variable and the header of its column: name="First Name".',
      });
    if (variable === 'address') addressColumn = column;
    else variables[column] = variable;
  }
  return {
    ...(addressColumn === undefined ? {} : { addressColumn }),
    ...(Object.keys(variables).length ? { variables } : {}),
  };
}
