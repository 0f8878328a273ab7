import { AppError } from '../errors.ts';

/** @throws AppError `json_invalid` */
export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new AppError('json_invalid', 400, 'The body is not valid JSON.');
  }
}

/** A provider's JSON, of which only what is asked for is looked at; anything else may be missing. */
export interface Loose {
  [field: string]: Loose | undefined;
}

export function looseOf(body: Buffer): Loose {
  return (jsonOf(body) ?? {}) as Loose;
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function listOf(value: unknown): Loose[] {
  return Array.isArray(value) ? value : [];
}

/** A time as providers write it; the one given when there is none. */
export function timeOf(value: unknown, otherwise: Date): Date {
  const time = typeof value === 'number' ? new Date(value * 1000) : new Date(String(value));
  return Number.isNaN(time.getTime()) ? otherwise : time;
}
