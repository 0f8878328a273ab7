import { addressKey } from '../channel.ts';
import { AddressHashes } from './duplicates.ts';
import { type RecipientOptions, readRecipients } from './reader.ts';
import { type FileErrorCode, RecipientFileError, type RejectedRow, rejected } from './reason.ts';

/** What a file would import as, without importing it. */
export interface FileCheck {
  file_error: FileErrorCode | null;
  file_error_text: string | null;
  accepted_count: number;
  accepted: { address: string; variables: Record<string, unknown> }[];
  rejected: RejectedRow[];
  columns: string[];
  encoding: string | null;
  delimiter: string | null;
  format: string | null;
}

/** Reads the whole file; keeps the first `keep` accepted rows and every rejected one. */
export async function checkRecipients(
  bytes: AsyncIterable<Uint8Array>,
  options: RecipientOptions,
  keep: number,
  keepDuplicates = false,
): Promise<FileCheck> {
  const check: FileCheck = {
    file_error: null,
    file_error_text: null,
    accepted_count: 0,
    accepted: [],
    rejected: [],
    columns: [],
    encoding: null,
    delimiter: null,
    format: null,
  };
  const seen = new AddressHashes();
  try {
    const file = await readRecipients(bytes, options);
    for await (const batch of file.rows) {
      for (const row of batch.accepted) {
        if (!keepDuplicates && !seen.add(addressKey(row.address))) {
          batch.rejected.push(rejected(row.row, 'duplicate', 'address'));
          continue;
        }
        check.accepted_count++;
        if (check.accepted.length < keep)
          check.accepted.push({ address: row.address, variables: JSON.parse(row.variables) });
      }
      batch.rejected.sort((a, b) => a.row - b.row);
      check.rejected.push(...batch.rejected);
      Object.assign(check, file.facts());
    }
    Object.assign(check, file.facts());
  } catch (error) {
    if (!(error instanceof RecipientFileError)) throw error;
    return {
      ...check,
      file_error: error.code,
      file_error_text: error.message,
      accepted_count: 0,
      accepted: [],
      rejected: [],
    };
  }
  return check;
}
