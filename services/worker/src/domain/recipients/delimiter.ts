import { type RawRecord, RecordSplitter } from './records.ts';

export const DELIMITERS = [',', ';', '\t', '|'] as const;

const SAMPLE_RECORDS = 100;

/** `sep=;` in the first line: a hint that spreadsheets write and read, neither header nor data. */
export function separatorHint(head: string): string | null {
  return /^"?sep=(.)"?\r?(?:\n|\r|$)/i.exec(head)?.[1] ?? null;
}

/**
 * The delimiter that splits the sample's records into equally many columns; text inside quotes does not
 * count. A single column is a comma file.
 *
 * @param isAddress whether a cell of the first record is, or names, an address: the best evidence there is
 */
export function detectDelimiter(
  sample: string,
  complete: boolean,
  isAddress: (cell: string) => boolean,
): string {
  let best = { delimiter: ',', score: 0 };
  for (const delimiter of DELIMITERS) {
    const score = scoreOf(sample, complete, delimiter, isAddress);
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

function scoreOf(
  sample: string,
  complete: boolean,
  delimiter: string,
  isAddress: (cell: string) => boolean,
): number {
  const records = sampleRecords(sample, complete, delimiter);
  const columns = records[0]?.cells.length ?? 0;
  if (columns < 2) return 0;
  const alike = records.filter((record) => record.cells.length === columns).length / records.length;
  const evidence = records[0]!.cells.some(isAddress) ? 1 : 0;
  return evidence + alike + Math.min(columns, 50) / 1000;
}

function sampleRecords(sample: string, complete: boolean, delimiter: string): RawRecord[] {
  const splitter = new RecordSplitter(delimiter);
  splitter.push(sample);
  const records: RawRecord[] = [];
  for (
    let record = splitter.next(complete);
    record && records.length < SAMPLE_RECORDS;
    record = splitter.next(complete)
  ) {
    if (!record.problem && record.cells.some((cell) => cell.trim() !== '')) records.push(record);
  }
  return records;
}
