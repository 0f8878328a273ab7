import { type Channel, checkAddress } from '../channel.ts';
import { sameHeader, saysYes } from './consent.ts';
import { mappedName, namesAddress } from './header.ts';
import { MAX_CELL_BYTES, RecipientFileError, type RowBatch, rejected } from './reason.ts';
import type { TextSource } from './source.ts';

export interface JsonOptions {
  channel: Channel;
  defaultCountry?: string;
  addressColumn?: string;
  /** Variable by key. */
  variables?: Record<string, string>;
  consentColumn?: string;
}

/** A line or array element longer than this is rejected unread: 1 MiB. */
const MAX_OBJECT_BYTES = 1_048_576;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One JSON object a line; values keep their types. */
export async function* readNdjson(source: TextSource, options: JsonOptions): AsyncGenerator<RowBatch> {
  let rest = '';
  let row = 0;
  let dataRows = 0;
  const take = (line: string, batch: RowBatch) => {
    row++;
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (text.trim() === '') return;
    dataRows++;
    mapObject(text, row, options, batch);
  };
  for await (const chunk of source.chunks) {
    const batch: RowBatch = { accepted: [], rejected: [] };
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop()!;
    for (const line of lines) take(line, batch);
    if (rest.length > 2 * MAX_OBJECT_BYTES) rest = rest.slice(0, MAX_OBJECT_BYTES + 1);
    yield batch;
  }
  const last: RowBatch = { accepted: [], rejected: [] };
  if (rest !== '') take(rest, last);
  yield last;
  if (dataRows === 0) throw new RecipientFileError('empty_file');
}

/** One JSON array of objects, of any length; row numbers count its elements from 1. */
export async function* readJsonArray(source: TextSource, options: JsonOptions): AsyncGenerator<RowBatch> {
  const elements = new ArrayElements();
  let row = 0;
  for await (const chunk of source.chunks) {
    const batch: RowBatch = { accepted: [], rejected: [] };
    for (const text of elements.push(chunk.toString('latin1'))) mapObject(text, ++row, options, batch);
    yield batch;
  }
  elements.finish();
  if (row === 0) throw new RecipientFileError('empty_file');
}

/** Cuts the text of an array into the texts of its elements without parsing them. */
class ArrayElements {
  private rest = '';
  private started = false;
  private ended = false;

  push(text: string): string[] {
    const all = this.rest + text;
    const found: string[] = [];
    let start = 0;
    let depth = this.started ? 1 : 0;
    let at = 0;
    if (!this.started) {
      at = all.search(/\S/);
      if (at < 0) return [];
      if (all[at] !== '[') throw new RecipientFileError('invalid_json');
      this.started = true;
      depth = 1;
      start = ++at;
    }
    const token = /["[\]{},]/g;
    token.lastIndex = at;
    for (let match = token.exec(all); match && !this.ended; match = token.exec(all)) {
      const char = match[0];
      if (char === '"') {
        const close = stringEnd(all, match.index + 1);
        if (close < 0) break;
        token.lastIndex = close + 1;
      } else if (char === '[' || char === '{') depth++;
      else if (char === ',' && depth === 1) {
        found.push(all.slice(start, match.index));
        start = match.index + 1;
      } else if (char !== ',' && --depth === 0) {
        const last = all.slice(start, match.index);
        if (last.trim() !== '') found.push(last);
        start = match.index + 1;
        this.ended = true;
      }
    }
    this.rest = all.slice(start);
    if (this.rest.length > 4 * MAX_OBJECT_BYTES) {
      throw new RecipientFileError(
        'invalid_json',
        `An element is longer than ${4 * MAX_OBJECT_BYTES} bytes, or a quote is never closed.`,
      );
    }
    return found;
  }

  finish(): void {
    if (!this.started) throw new RecipientFileError('empty_file');
    if (!this.ended)
      throw new RecipientFileError('invalid_json', 'The array is not closed; the file may be cut off.');
    if (this.rest.trim() !== '')
      throw new RecipientFileError('invalid_json', 'There is text after the array.');
  }
}

function stringEnd(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return quote;
  }
  return -1;
}

function mapObject(latin1: string, row: number, options: JsonOptions, batch: RowBatch): void {
  if (latin1.length > MAX_OBJECT_BYTES) {
    batch.rejected.push(rejected(row, 'field_too_long', null, 'the object is longer than 1 MiB'));
    return;
  }
  const text = decode(latin1);
  if (text === null) {
    batch.rejected.push(rejected(row, 'bad_encoding'));
    return;
  }
  const object = parseObject(text);
  if (typeof object === 'string') batch.rejected.push(rejected(row, 'invalid_json', null, object));
  else addRow(object, text, row, options, batch);
}

function decode(latin1: string): string | null {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return null;
  }
}

function parseObject(text: string): Record<string, unknown> | string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : 'not an object';
  } catch (error) {
    return (error as Error).message;
  }
}

function addRow(
  object: Record<string, unknown>,
  text: string,
  row: number,
  options: JsonOptions,
  batch: RowBatch,
): void {
  const key = Object.keys(object).find((name) =>
    options.addressColumn === undefined
      ? namesAddress(name, options.channel)
      : name === options.addressColumn,
  );
  const value = key === undefined ? undefined : object[key];
  if (key === undefined || value === null || value === undefined || String(value).trim() === '') {
    batch.rejected.push(rejected(row, 'missing_address', key ?? null));
    return;
  }
  const { [key]: _, ...variables } = object;
  if (text.includes('\\u0000') || text.includes('\0')) {
    batch.rejected.push(rejected(row, 'control_character'));
    return;
  }
  const tooLong = Object.entries(variables).find(
    ([, v]) => typeof v === 'string' && Buffer.byteLength(v) > MAX_CELL_BYTES,
  );
  if (tooLong) {
    batch.rejected.push(rejected(row, 'field_too_long', tooLong[0]));
    return;
  }
  const check = checkAddress(
    typeof value === 'string' || typeof value === 'number' ? String(value) : '\ufffd',
    options.channel,
    options.defaultCountry,
  );
  if ('address' in check && !agreed(object, options))
    batch.rejected.push(rejected(row, 'no_consent', options.consentColumn));
  else if ('address' in check)
    batch.accepted.push({
      row,
      address: check.address,
      variables: JSON.stringify(options.variables ? renamed(variables, options.variables) : variables),
    });
  else if (check.reason === 'control_character') batch.rejected.push(rejected(row, 'control_character', key));
  else batch.rejected.push(rejected(row, 'invalid_address', key, check.reason));
}

function agreed(object: Record<string, unknown>, { consentColumn }: JsonOptions): boolean {
  if (consentColumn === undefined) return true;
  const key = Object.keys(object).find((name) => sameHeader(name, consentColumn));
  return key !== undefined && saysYes(object[key]);
}

function renamed(object: Record<string, unknown>, variables: Record<string, string>) {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [mappedName(key, variables) ?? key, value]),
  );
}
