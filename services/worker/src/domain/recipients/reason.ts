/** Why a row of a recipient file is not accepted; codes are stable, texts are for people. */
export const ROW_REASONS = {
  missing_address: 'the row has content but no address',
  invalid_address: 'not one valid address',
  duplicate: 'an earlier row has the same address',
  no_consent: 'the recipient has not agreed to be written to',
  too_many_columns: 'more cells with content than the header has columns',
  unterminated_quote: 'a quote is opened and never properly closed',
  bad_encoding: 'bytes that do not fit the encoding of the file',
  invalid_json: 'not a JSON object, or a JSON column that does not parse',
  field_too_long: 'a cell is longer than 64 KiB',
  control_character: 'NUL in a cell, or a control character inside the address',
} as const;

export type RowReason = keyof typeof ROW_REASONS;

export interface RejectedRow {
  /** 1-based number of the physical record, header and blank records included. */
  row: number;
  /** The column's name, or null when the whole record is meant. */
  column: string | null;
  reason: RowReason;
  text: string;
}

export interface AcceptedRow {
  row: number;
  /** As it will be used for sending. */
  address: string;
  /** JSON text of the variables object; kept as text, since most rows go straight to the database. */
  variables: string;
}

export interface RowBatch {
  accepted: AcceptedRow[];
  rejected: RejectedRow[];
}

export const FILE_ERRORS = {
  empty_file: 'The file has no record with content.',
  no_rows: 'The file has only a header.',
  no_address_column: 'No header names an address and no cell of the first record is one.',
  no_such_column: 'A column that was asked for is not in the file.',
  bad_encoding: 'The file as a whole cannot be decoded; it is not text in the given or any known encoding.',
  invalid_json: 'The file is not a JSON array of objects.',
} as const;

export type FileErrorCode = keyof typeof FILE_ERRORS;

/** The file as a whole cannot be used. */
export class RecipientFileError extends Error {
  override name = 'RecipientFileError';
  readonly code: FileErrorCode;
  constructor(code: FileErrorCode, detail?: string) {
    super(detail ? `${FILE_ERRORS[code]} ${detail}` : FILE_ERRORS[code]);
    this.code = code;
  }
}

/** 64 KiB of UTF-8. */
export const MAX_CELL_BYTES = 65_536;

export function rejected(
  row: number,
  reason: RowReason,
  column: string | null = null,
  why?: string,
): RejectedRow {
  return { row, column, reason, text: why ? `${ROW_REASONS[reason]}: ${why}` : ROW_REASONS[reason] };
}
