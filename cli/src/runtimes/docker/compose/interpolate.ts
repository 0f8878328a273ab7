import { CliError, EXIT } from '../../../cli-error.ts';

/** `$$`, `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`. */
const VARIABLE = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?])([^}]*))?\})/g;

/**
 * Replaces variables as the Compose specification says; ":" before "-" or "?" makes an empty value count as unset.
 * @throws CliError `compose_variable_missing` for a required one
 */
export function interpolate(text: string, variables: Record<string, string | undefined>): string {
  return text.replace(VARIABLE, (_, dollar, plain, name, rule, rest) => {
    if (dollar) return '$';
    const value = variables[plain ?? name];
    const given = value !== undefined && !(rule?.startsWith(':') && value === '');
    if (given) return value;
    if (rule?.endsWith('-')) return rest;
    if (rule?.endsWith('?'))
      throw new CliError('compose_variable_missing', EXIT.config, `compose.yaml needs ${name}: ${rest}.`);
    return '';
  });
}

/** Every string in a parsed document. */
export function interpolateAll<T>(value: T, variables: Record<string, string | undefined>): T {
  if (typeof value === 'string') return interpolate(value, variables) as T;
  if (Array.isArray(value)) return value.map((one) => interpolateAll(one, variables)) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, interpolateAll(one, variables)]),
  ) as T;
}
