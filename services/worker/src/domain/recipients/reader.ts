import type { Channel } from '../channel.ts';
import { type FileFacts, readDelimited } from './delimited.ts';
import type { TextEncoding } from './encoding.ts';
import { readJsonArray, readNdjson } from './json.ts';
import { RecipientFileError, type RowBatch } from './reason.ts';
import { openSource, type TextSource } from './source.ts';

export const RECIPIENT_FORMATS = ['csv', 'tsv', 'ndjson', 'json'] as const;
export type RecipientFormat = (typeof RECIPIENT_FORMATS)[number];

export interface RecipientOptions {
  channel: Channel;
  /** Detected by content when absent; `csv` covers every delimiter. */
  format?: RecipientFormat;
  encoding?: TextEncoding;
  delimiter?: string;
  /** ISO 3166-1 alpha-2, for national phone numbers. */
  defaultCountry?: string;
  /** CSV columns, by variable name, that hold JSON. */
  jsonColumns?: string[];
  /** Header (or key) of the address when its name does not say so. */
  addressColumn?: string;
  /** Variable by header (or key), in any case: `{"First Name": "name"}`. */
  variables?: Record<string, string>;
  /** Header (or key) that says whether a recipient agreed; who did not is rejected. */
  consentColumn?: string;
}

export interface RecipientFile {
  /** Rows in file order, in batches of about one chunk of input; duplicates are still in. */
  rows: AsyncIterable<RowBatch>;
  /** Complete when all rows have been read. */
  facts(): { format: RecipientFormat; encoding: TextEncoding; delimiter: string | null; columns: string[] };
}

/**
 * Reads a recipient file of any size with constant memory. Encoding, format and delimiter are detected
 * unless given. Wrong rows are reported, never dropped silently, and never affect other rows.
 *
 * @throws RecipientFileError when the file as a whole cannot be used, from here or while reading rows
 */
export async function readRecipients(
  bytes: AsyncIterable<Uint8Array>,
  options: RecipientOptions,
): Promise<RecipientFile> {
  const source = await openSource(bytes, options.encoding ?? null);
  const format = options.format ?? detectFormat(source);
  const facts: FileFacts = { delimiter: null, columns: [] };
  return {
    rows: rowsOf(source, format, options, facts),
    facts: () => ({ format, encoding: source.encoding() ?? 'utf-8', ...facts }),
  };
}

function rowsOf(source: TextSource, format: RecipientFormat, options: RecipientOptions, facts: FileFacts) {
  if (source.head.length === 0) return emptyFile();
  if (format === 'ndjson') return readNdjson(source, options);
  if (format === 'json') return readJsonArray(source, options);
  return readDelimited(source, format === 'tsv' ? { delimiter: '\t', ...options } : options, facts);
}

// biome-ignore lint/correctness/useYield: the error must come while rows are read, like every other one
async function* emptyFile(): AsyncGenerator<RowBatch> {
  throw new RecipientFileError('empty_file');
}

function detectFormat(source: TextSource): RecipientFormat {
  const start = source.head.toString('latin1', 0, 1024).trimStart();
  if (start.startsWith('{')) return 'ndjson';
  return /^\[\s*(?:\{|\]|$)/.test(start) ? 'json' : 'csv';
}
