import { type Channel, checkAddress } from '../channel.ts';
import { sameHeader, saysYes } from './consent.ts';
import { detectDelimiter, separatorHint } from './delimiter.ts';
import {
  ADDRESS_COLUMN_HINT,
  type Columns,
  columnsByHeader,
  columnsByPosition,
  namesAddress,
} from './header.ts';
import { MAX_CELL_BYTES, RecipientFileError, type RowBatch, type RowReason, rejected } from './reason.ts';
import { type RawRecord, RecordSplitter } from './records.ts';
import type { TextSource } from './source.ts';

export interface DelimitedOptions {
  channel: Channel;
  delimiter?: string;
  defaultCountry?: string;
  /** Columns (as variables are named) whose cells are JSON. */
  jsonColumns?: string[];
  /** Header of the address column, when it does not say so itself. */
  addressColumn?: string;
  /** Variable by header. */
  variables?: Record<string, string>;
  /** Header of the column that says whether a recipient agreed. */
  consentColumn?: string;
}

/** What was found out about the file while reading it. */
export interface FileFacts {
  delimiter: string | null;
  columns: string[];
}

/** Blanks, tabs, no-break and zero-width spaces are no content. */
const BLANK = /^[\s\u00a0\u200b-\u200d\u2060\ufeff]*$/;
/** A cell that needs nothing done to become a JSON string; held as latin-1. */
const NEEDS_WORK = /[\x00-\x1f"\\\x7f-\xff]/;
const NON_ASCII = /[\x80-\xff]/;

/** CSV, TSV and their like. */
export async function* readDelimited(
  source: TextSource,
  options: DelimitedOptions,
  facts: FileFacts,
): AsyncGenerator<RowBatch> {
  const head = source.head.toString('latin1');
  const hint = options.delimiter ?? separatorHint(head);
  const isAddressCell = (cell: string) =>
    isAddressHeader(clean(cell, source), options) || isValidAddress(clean(cell, source), options);
  const delimiter = hint ?? detectDelimiter(head, source.headIsAll, isAddressCell);
  facts.delimiter = delimiter;
  const splitter = new RecordSplitter(delimiter);
  const mapper = new RowMapper(source, options, facts, hint !== null && separatorHint(head) !== null);
  for await (const chunk of source.chunks) {
    splitter.push(chunk.toString('latin1'));
    yield mapper.mapAll(splitter, false);
  }
  yield mapper.mapAll(splitter, true);
  mapper.finish();
}

function isAddressHeader(header: string, options: DelimitedOptions): boolean {
  return options.addressColumn === undefined
    ? namesAddress(header, options.channel)
    : sameHeader(header, options.addressColumn);
}

function isValidAddress(cell: string, options: DelimitedOptions): boolean {
  return 'address' in checkAddress(cell, options.channel, options.defaultCountry);
}

function clean(cell: string, source: TextSource): string {
  return NON_ASCII.test(cell) ? (source.decode(cell) ?? cell) : cell;
}

/** Turns records into rows; the first record with content decides about the columns. */
class RowMapper {
  private row = 0;
  private columns: Columns | null = null;
  /** JSON text before the value of each column: `"name":`. */
  private prefixes: string[] = [];
  private jsonColumns = new Set<number>();
  /** Column that says whether the recipient agreed; -1 without one. */
  private consent = -1;
  private dataRows = 0;
  private readonly source: TextSource;
  private readonly options: DelimitedOptions;
  private readonly facts: FileFacts;
  private readonly skipFirstLine: boolean;

  constructor(source: TextSource, options: DelimitedOptions, facts: FileFacts, skipFirstLine: boolean) {
    this.source = source;
    this.options = options;
    this.facts = facts;
    this.skipFirstLine = skipFirstLine;
  }

  mapAll(splitter: RecordSplitter, final: boolean): RowBatch {
    const batch: RowBatch = { accepted: [], rejected: [] };
    for (let record = splitter.next(final); record; record = splitter.next(final)) {
      this.row++;
      if (this.row === 1 && this.skipFirstLine) continue;
      this.map(record, batch);
    }
    return batch;
  }

  /** After the last record: a file without rows is an error of the whole file. */
  finish(): void {
    if (!this.columns) throw new RecipientFileError('empty_file');
    if (this.dataRows === 0) throw new RecipientFileError('no_rows');
  }

  private map(record: RawRecord, batch: RowBatch): void {
    if (record.problem) {
      this.dataRows++;
      batch.rejected.push(rejected(this.row, record.problem));
      return;
    }
    if (record.cells.every((cell) => this.isBlank(cell))) return;
    if (!this.columns && this.readHeader(record.cells)) return;
    this.dataRows++;
    this.mapRow(record.cells, this.columns!, batch);
  }

  private isBlank(cell: string): boolean {
    if (cell === '') return true;
    const first = cell.charCodeAt(0);
    if (first > 0x20 && first < 0x7f) return false;
    return BLANK.test(clean(cell, this.source));
  }

  /** True when the record was the header; false when it is the first row of a file without one. */
  private readHeader(cells: string[]): boolean {
    const texts = cells.map((cell) => clean(cell, this.source));
    const addressAt = texts.findIndex((cell) => isValidAddress(cell, this.options));
    const { addressColumn, variables } = this.options;
    const byHeader = columnsByHeader(texts, (header) => isAddressHeader(header, this.options), variables);
    const isHeader = addressAt < 0 || (addressColumn !== undefined && byHeader !== null);
    if (isHeader && !byHeader) throw new RecipientFileError('no_address_column', this.columnHint(texts));
    this.columns = isHeader ? byHeader! : columnsByPosition(cells.length, addressAt);
    this.prefixes = this.columns.names.map((name, i) => `${JSON.stringify(name ?? `column_${i + 1}`)}:`);
    this.checkAsked(isHeader ? texts : []);
    const json = new Set(this.options.jsonColumns ?? []);
    this.columns.names.forEach((name, i) => {
      if (name !== null && json.has(name)) this.jsonColumns.add(i);
    });
    this.facts.columns = this.columns.names.map((name, i) =>
      i === this.columns!.address ? 'address' : (name ?? `column_${i + 1}`),
    );
    return isHeader;
  }

  /** A header that was asked for and is not there would otherwise go unnoticed. */
  private checkAsked(headers: string[]): void {
    const { variables = {}, consentColumn } = this.options;
    for (const asked of [...Object.keys(variables), ...(consentColumn === undefined ? [] : [consentColumn])])
      if (!headers.some((header) => sameHeader(header, asked)))
        throw new RecipientFileError('no_such_column', this.foundHint(asked, headers));
    if (consentColumn !== undefined)
      this.consent = headers.findIndex((header) => sameHeader(header, consentColumn));
  }

  private columnHint(headers: string[]): string {
    return `${this.foundHint(this.options.addressColumn, headers)} ${ADDRESS_COLUMN_HINT[this.options.channel]}`;
  }

  private foundHint(asked: string | undefined, headers: string[]): string {
    const found = headers.filter((header) => !BLANK.test(header)).slice(0, 20);
    const missing = asked === undefined ? '' : `There is no column "${asked}". `;
    return `${missing}Found: ${found.map((header) => JSON.stringify(header.slice(0, 40))).join(', ')}.`;
  }

  private mapRow(cells: string[], columns: Columns, batch: RowBatch): void {
    const count = columns.names.length;
    if (cells.length > count && cells.slice(count).some((cell) => !this.isBlank(cell))) {
      this.reject(batch, 'too_many_columns', null, `${cells.length} cells, ${count} columns`);
      return;
    }
    let variables = '';
    for (let i = 0; i < count; i++) {
      if (i === columns.address) continue;
      const cell = cells[i] ?? '';
      if (cell === '' && columns.unnamed[i]) continue;
      const value = this.value(cell, i, batch);
      if (value === null) return;
      if (columns.unnamed[i] && this.isBlank(cell)) continue;
      variables += variables === '' ? this.prefixes[i]! + value : `,${this.prefixes[i]!}${value}`;
    }
    const agreed = this.consent < 0 || saysYes(clean(cells[this.consent] ?? '', this.source));
    this.addRow(cells[columns.address] ?? '', `{${variables}}`, agreed, batch);
  }

  /** The cell as JSON text, or null after rejecting the row. */
  private value(cell: string, column: number, batch: RowBatch): string | null {
    if (cell.length <= MAX_CELL_BYTES && !NEEDS_WORK.test(cell) && !this.jsonColumns.has(column))
      return `"${cell}"`;
    const text = this.text(cell, column, batch);
    if (text === null) return null;
    if (!this.jsonColumns.has(column)) return JSON.stringify(text);
    return this.jsonValue(text, column, batch);
  }

  private jsonValue(text: string, column: number, batch: RowBatch): string | null {
    if (BLANK.test(text)) return 'null';
    try {
      return JSON.stringify(JSON.parse(text));
    } catch (error) {
      this.reject(batch, 'invalid_json', column, (error as Error).message);
      return null;
    }
  }

  private text(cell: string, column: number, batch: RowBatch): string | null {
    if (cell.length > MAX_CELL_BYTES) return this.reject(batch, 'field_too_long', column);
    const text = NON_ASCII.test(cell) ? this.source.decode(cell) : cell;
    if (text === null) return this.reject(batch, 'bad_encoding', column);
    if (text.includes('\0')) return this.reject(batch, 'control_character', column);
    return text;
  }

  private addRow(cell: string, variables: string, agreed: boolean, batch: RowBatch): void {
    const column = this.columns!.address;
    const text = this.text(cell, column, batch);
    if (text === null) return;
    if (BLANK.test(text)) {
      this.reject(batch, 'missing_address', column);
      return;
    }
    const check = checkAddress(text, this.options.channel, this.options.defaultCountry);
    if ('address' in check && agreed)
      batch.accepted.push({ row: this.row, address: check.address, variables });
    else if ('address' in check) this.reject(batch, 'no_consent', this.consent);
    else if (check.reason === 'control_character') this.reject(batch, 'control_character', column);
    else this.reject(batch, 'invalid_address', column, check.reason);
  }

  private reject(batch: RowBatch, reason: RowReason, column: number | null, why?: string): null {
    const name = column === null ? null : (this.facts.columns[column] ?? null);
    batch.rejected.push(rejected(this.row, reason, name, why));
    return null;
  }
}
