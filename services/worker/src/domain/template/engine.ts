import { Liquid } from 'liquidjs';
import { DateTime } from 'luxon';
import { escapeHtml } from './html-escape.ts';
import { FORBIDDEN_TAGS } from './template-error.ts';

/** Items and characters one rendering may allocate; a message is rarely above 100 KB. */
const MEMORY_LIMIT = 5_000_000;
/** Time for one part of one message, milliseconds. */
const RENDER_LIMIT_MS = 500;

/** A Liquid engine without access to files, for text (subject, plain text) or HTML. */
export function createEngine(kind: 'text' | 'html', timezone: string): Liquid {
  const engine = new Liquid({
    strictFilters: true,
    strictVariables: true,
    lenientIf: true,
    ownPropertyOnly: true,
    memoryLimit: MEMORY_LIMIT,
    renderLimit: RENDER_LIMIT_MS,
    timezoneOffset: timezone,
    templates: {},
    ...(kind === 'html' ? { outputEscape: (value: unknown) => escapeHtml(textOf(value)) } : {}),
  });
  for (const tag of FORBIDDEN_TAGS) delete engine.tags[tag];
  registerDate(engine, timezone);
  return engine;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(textOf).join('');
  return String(value);
}

/** Dates without an offset mean the batch's zone, so that "2026-03-01" never prints as the day before. */
function registerDate(engine: Liquid, timezone: string): void {
  const original = engine.filters.date as (this: unknown, value: unknown, ...args: unknown[]) => unknown;
  engine.registerFilter('date', function (this: unknown, value: unknown, ...args: unknown[]) {
    return original.call(this, typeof value === 'string' ? inZone(value, timezone) : value, ...args);
  });
}

function inZone(value: string, timezone: string): string {
  if (!/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?$/.test(value)) return value;
  const local = DateTime.fromISO(value.replace(' ', 'T'), { zone: timezone });
  return (local.isValid && local.toISO()) || value;
}
