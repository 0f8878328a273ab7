import { MAX_CELL_BYTES } from './reason.ts';

/** One physical record of a delimited file: its cells as latin-1 strings, or why it could not be split. */
export interface RawRecord {
  cells: string[];
  problem: 'unterminated_quote' | 'field_too_long' | null;
}

/** A quoted cell is followed over line breaks for at most this long; a record without any break is cut here. */
const MAX_RECORD_BYTES = 4 * MAX_CELL_BYTES;

/**
 * Splits text into records, as a push parser: `push` text, read records, `end`. A wrong record never shifts
 * the ones after it: when a quote is never properly closed, only the line it stands in is given up.
 *
 * Works on latin-1 strings, one character a byte. Delimiters, quotes and line breaks are ASCII in every
 * supported encoding, so nothing needs decoding to find them, and V8 keeps such strings at a byte a character.
 */
export class RecordSplitter {
  private text = '';
  private pos = 0;
  /** Inside a record longer than MAX_RECORD_BYTES without a line break: skip to its end. */
  private skipping = false;
  private readonly delimiter: string;

  constructor(delimiter: string) {
    this.delimiter = delimiter;
  }

  push(text: string): void {
    this.text = this.pos < this.text.length ? this.text.slice(this.pos) + text : text;
    this.pos = 0;
  }

  /** The next whole record, or null when more text is needed (or, with `final`, when there is none). */
  next(final: boolean): RawRecord | null {
    if (this.skipping && !this.skipLine(final)) return null;
    if (this.pos >= this.text.length) return null;
    const end = this.lineEnd(this.pos, final);
    if (end === null) return this.cutOversized(final);
    const line = this.text.slice(this.pos, end);
    if (!line.includes('"')) {
      this.pos = this.afterLineEnd(end);
      return plainRecord(line.split(this.delimiter));
    }
    return this.quotedRecord(end, final);
  }

  /** Text not yet split into records; at most about MAX_RECORD_BYTES. */
  get pending(): number {
    return this.text.length - this.pos;
  }

  /** Index of the line's end, or null when it is not there yet. A CR at the very end may belong to a CRLF. */
  private lineEnd(from: number, final: boolean): number | null {
    const lf = this.text.indexOf('\n', from);
    const limit = lf < 0 ? this.text.length : lf;
    const cr = this.crBefore(from, limit);
    if (cr >= 0 && (cr < this.text.length - 1 || final)) return cr;
    if (lf >= 0) return lf;
    return final ? this.text.length : null;
  }

  /** Next CR before `limit`; remembered, since in a file without CR the search would run to the end each time. */
  private crBefore(from: number, limit: number): number {
    if (this.knownCr.text !== this.text || (this.knownCr.at >= 0 && this.knownCr.at < from)) {
      this.knownCr = { text: this.text, at: this.text.indexOf('\r', from) };
    }
    return this.knownCr.at >= 0 && this.knownCr.at < limit ? this.knownCr.at : -1;
  }
  private knownCr: { text: string; at: number } = { text: '', at: -1 };

  private afterLineEnd(end: number): number {
    return this.text[end] === '\r' && this.text[end + 1] === '\n' ? end + 2 : end + 1;
  }

  private cutOversized(final: boolean): RawRecord | null {
    if (final || this.pending <= MAX_RECORD_BYTES) return null;
    this.skipping = true;
    this.skipLine(final);
    return { cells: [], problem: 'field_too_long' };
  }

  private skipLine(final: boolean): boolean {
    const end = this.lineEnd(this.pos, final);
    this.pos = end === null ? this.text.length : this.afterLineEnd(end);
    this.skipping = end === null;
    return end !== null;
  }

  /** A record with quotes; may go over several lines. `firstLineEnd` is where it ends if a quote is left open. */
  private quotedRecord(firstLineEnd: number, final: boolean): RawRecord | null {
    const start = this.pos;
    const cells: string[] = [];
    let at = start;
    for (;;) {
      const cell = this.cell(at, firstLineEnd, final);
      if (cell === 'incomplete') {
        if (!final && this.text.length - start <= MAX_RECORD_BYTES) return null;
        return this.giveUpLine(firstLineEnd);
      }
      if (cell === 'unterminated') return this.giveUpLine(firstLineEnd);
      cells.push(cell.value);
      if (cell.next !== 'delimiter') {
        this.pos = this.afterLineEnd(cell.end);
        return plainRecord(cells);
      }
      at = cell.end + 1;
    }
  }

  private giveUpLine(lineEnd: number): RawRecord {
    this.pos = this.afterLineEnd(lineEnd);
    return { cells: [], problem: 'unterminated_quote' };
  }

  private cell(
    at: number,
    firstLineEnd: number,
    final: boolean,
  ): { value: string; end: number; next: 'delimiter' | 'line' } | 'incomplete' | 'unterminated' {
    const open = this.openingQuote(at);
    if (open >= 0) return this.quotedCell(open, final);
    const lineEnd = at <= firstLineEnd ? firstLineEnd : this.lineEnd(at, final);
    if (lineEnd === null) return 'incomplete';
    const delimiter = this.text.indexOf(this.delimiter, at);
    return delimiter >= 0 && delimiter < lineEnd
      ? { value: this.text.slice(at, delimiter), end: delimiter, next: 'delimiter' }
      : { value: this.text.slice(at, lineEnd), end: lineEnd, next: 'line' };
  }

  /** Index of the cell's opening quote, after ignored blanks, or -1 when the cell is not quoted. */
  private openingQuote(at: number): number {
    let i = at;
    while (this.text[i] === ' ' || (this.text[i] === '\t' && this.delimiter !== '\t')) i++;
    return this.text[i] === '"' ? i : -1;
  }

  private quotedCell(
    open: number,
    final: boolean,
  ): { value: string; end: number; next: 'delimiter' | 'line' } | 'incomplete' | 'unterminated' {
    let from = open + 1;
    for (;;) {
      const quote = this.text.indexOf('"', from);
      if (quote < 0) return 'incomplete';
      const after = this.text[quote + 1];
      if (after === '"') {
        from = quote + 2;
        continue;
      }
      if (after === undefined && !final) return 'incomplete';
      const value = this.text.slice(open + 1, quote).replaceAll('""', '"');
      if (after === undefined || after === '\n') return { value, end: quote + 1, next: 'line' };
      if (after === '\r')
        return quote + 2 < this.text.length || final ? { value, end: quote + 1, next: 'line' } : 'incomplete';
      return after === this.delimiter ? { value, end: quote + 1, next: 'delimiter' } : 'unterminated';
    }
  }
}

function plainRecord(cells: string[]): RawRecord {
  return { cells, problem: null };
}
