import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { BatchState } from '../../domain/batch-state.ts';
import { addressKey } from '../../domain/channel.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { type RecipientFile, readRecipients } from '../../domain/recipients/reader.ts';
import { RecipientFileError, type RejectedRow, type RowReason } from '../../domain/recipients/reason.ts';
import { uuid7 } from '../../domain/uuid7.ts';
import type { ImportOptions, ImportResult, ImportStore } from '../../http/stores.ts';
import { settleDuplicates } from './import-duplicates.ts';
import { type Client, type Pool, transaction } from './pool.ts';
import { isUuid } from './providers.ts';

/** Messages in a range chunk. */
export const CHUNK_SIZE = 500;
const FIRST_REJECTED = 100;
const REJECTS_PAGE = 1000;

/**
 * Streams a file into a batch: parsed here, copied into a staging table, compared with what is there by
 * PostgreSQL (which spills to disk, so memory does not grow with the file), and moved into `messages`. One
 * transaction: a broken upload leaves nothing behind.
 */
export class PostgresImports implements ImportStore {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  import(
    accountId: string,
    batchId: string,
    bytes: AsyncIterable<Uint8Array>,
    options: ImportOptions,
  ): Promise<ImportResult> {
    return transaction(this.pool, (client) => importRecipients(client, accountId, batchId, bytes, options));
  }

  async rejectedByReason(batchId: string): Promise<Record<string, number>> {
    const { rows } = await this.pool.query<{ reason: string; count: number }>(
      `SELECT r.reason, count(*) AS count FROM imports i JOIN import_rejects r ON r.import_id = i.id
       WHERE i.batch_id = $1 GROUP BY r.reason ORDER BY r.reason`,
      [batchId],
    );
    return Object.fromEntries(rows.map((row) => [row.reason, row.count]));
  }

  async *rejects(accountId: string, batchId: string, importId: string): AsyncGenerator<RejectedRow> {
    if (!isUuid(batchId) || !isUuid(importId)) throw notFound('import', importId);
    const { rows } = await this.pool.query(
      `SELECT 1 FROM imports i JOIN batches b ON b.id = i.batch_id WHERE i.id = $1 AND b.id = $2 AND b.account_id = $3`,
      [importId, batchId, accountId],
    );
    if (rows.length === 0) throw notFound('import', importId);
    for (let after = 0; ; ) {
      const page = await this.pool.query(
        `SELECT row, column_name, reason, text FROM import_rejects WHERE import_id = $1 AND row > $2 ORDER BY row LIMIT ${REJECTS_PAGE}`,
        [importId, after],
      );
      for (const row of page.rows)
        yield { row: row.row, column: row.column_name, reason: row.reason, text: row.text };
      if (page.rows.length < REJECTS_PAGE) return;
      after = page.rows.at(-1).row;
    }
  }
}

/** In the caller's transaction. @throws AppError `recipients_*`, `batch_state_conflict` */
export async function importRecipients(
  client: Client,
  accountId: string,
  batchId: string,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportResult> {
  try {
    return await importFile(client, accountId, batchId, bytes, options);
  } catch (error) {
    if (!(error instanceof RecipientFileError)) throw error;
    throw new AppError(`recipients_${error.code}`, 422, error.message, {
      fix: 'Nothing was imported. Check the file with: batchsender recipients check FILE',
    });
  }
}

async function importFile(
  client: Client,
  accountId: string,
  batchId: string,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportResult> {
  const batch = await lockDraft(client, accountId, batchId);
  await client.query(`
    CREATE TEMP TABLE staged (
      seq int NOT NULL, row int NOT NULL, address text COLLATE "C", key text COLLATE "C", vars json,
      reason text, column_name text, text text
    ) ON COMMIT DROP`);
  const digest = createHash('sha256').update(JSON.stringify(options));
  const file = await readRecipients(hashed(bytes, digest), options);
  const counted = await stage(client, file);
  const sha256 = digest.digest();
  const before = await earlierImport(client, batchId, sha256);
  if (before) return before;
  const { rejected: duplicates, updated } = await settleDuplicates(
    client,
    batchId,
    options.duplicates ?? 'first',
    batch.total > 0,
  );
  const accepted = counted.accepted - duplicates - updated;
  if (accepted + duplicates + updated === 0) throw noneAccepted(counted.rejected, counted.first);
  const suppressed = await moveIn(client, accountId, batchId, batch, accepted);
  const rejected = counted.rejected + duplicates;
  const id = uuid7();
  await client.query(
    `INSERT INTO imports (id, batch_id, accepted, rejected, duplicates, updated, suppressed, facts, sha256)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [id, batchId, accepted, rejected, duplicates, updated, suppressed, file.facts(), sha256],
  );
  await client.query(
    'INSERT INTO import_rejects SELECT $1, row, column_name, reason, text FROM staged WHERE reason IS NOT NULL',
    [id],
  );
  return loadImport(client, id, false);
}

async function* hashed(bytes: AsyncIterable<Uint8Array>, digest: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    digest.update(chunk);
    yield chunk;
  }
}

/** The same file, read with the same options, was imported before: its answer may have been lost on the way. */
async function earlierImport(client: Client, batchId: string, sha256: Buffer): Promise<ImportResult | null> {
  const { rows } = await client.query('SELECT id FROM imports WHERE batch_id = $1 AND sha256 = $2', [
    batchId,
    sha256,
  ]);
  return rows[0] ? loadImport(client, rows[0].id, true) : null;
}

async function loadImport(client: Client, id: string, repeated: boolean): Promise<ImportResult> {
  const { rows } = await client.query(
    'SELECT id, accepted, rejected, duplicates, updated, suppressed, facts FROM imports WHERE id = $1',
    [id],
  );
  const first = await client.query(
    `SELECT row, column_name AS column, reason, text FROM import_rejects WHERE import_id = $1 ORDER BY row LIMIT ${FIRST_REJECTED}`,
    [id],
  );
  const { facts, ...counts } = rows[0];
  return { ...counts, ...facts, repeated, firstRejected: first.rows };
}

async function lockDraft(
  client: Client,
  accountId: string,
  batchId: string,
): Promise<{ total: number; next_chunk: number; state: BatchState }> {
  if (!isUuid(batchId)) throw notFound('batch', batchId);
  const { rows } = await client.query(
    'SELECT total, next_chunk, state FROM batches WHERE account_id = $1 AND id = $2 FOR UPDATE',
    [accountId, batchId],
  );
  const batch = rows[0];
  if (!batch) throw notFound('batch', batchId);
  if (batch.state !== 'draft' && batch.state !== 'scheduled') {
    throw new AppError(
      'batch_state_conflict',
      409,
      `A batch that is ${batch.state} takes no more recipients.`,
      { fix: 'Create another batch for them.' },
    );
  }
  return batch;
}

/** Copies accepted and rejected rows into the staging table while the file is being read. */
async function stage(
  client: Client,
  file: RecipientFile,
): Promise<{ accepted: number; rejected: number; first: RejectedRow[] }> {
  const counted = { accepted: 0, rejected: 0, first: [] as RejectedRow[] };
  let seq = 0;
  async function* lines(): AsyncGenerator<string> {
    for await (const batch of file.rows) {
      let text = '';
      for (const row of batch.accepted) {
        text += `${++seq}\t${row.row}\t${escapeCopy(row.address)}\t${escapeCopy(addressKey(row.address))}\t${escapeCopy(row.variables)}\t\\N\t\\N\t\\N\n`;
      }
      for (const row of batch.rejected) {
        const column = row.column === null ? '\\N' : escapeCopy(row.column);
        text += `${++seq}\t${row.row}\t\\N\t\\N\t\\N\t${row.reason}\t${column}\t${escapeCopy(row.text)}\n`;
      }
      counted.accepted += batch.accepted.length;
      counted.rejected += batch.rejected.length;
      if (counted.first.length < FIRST_REJECTED)
        counted.first.push(...batch.rejected.slice(0, FIRST_REJECTED - counted.first.length));
      if (text !== '') yield text;
    }
  }
  await pipeline(Readable.from(lines()), client.query(copyFrom('COPY staged FROM STDIN')));
  return counted;
}

/** Numbers the staged rows after those that are there, cuts them into chunks, and counts the suppressed. */
async function moveIn(
  client: Client,
  accountId: string,
  batchId: string,
  batch: { total: number; next_chunk: number },
  accepted: number,
): Promise<number> {
  await client.query(
    `INSERT INTO messages (batch_id, n, state, address, vars)
     SELECT $1, $3::int + row_number() OVER (ORDER BY s.seq),
       CASE WHEN x.address IS NULL THEN 0 ELSE 8 END, s.address, s.vars
     FROM staged s LEFT JOIN suppressions x ON x.account_id = $2 AND x.address = s.key WHERE s.reason IS NULL`,
    [batchId, accountId, batch.total],
  );
  const { rows } = await client.query(
    `INSERT INTO chunks (batch_id, no, account_id, lane, first_n, last_n, priority, queued, suppressed)
     SELECT b.id, $3::int + (m.n - $2::int - 1) / ${CHUNK_SIZE}, b.account_id, b.provider_id, min(m.n), max(m.n), b.priority,
       count(*) FILTER (WHERE m.state = 0), count(*) FILTER (WHERE m.state = 8)
     FROM messages m JOIN batches b ON b.id = m.batch_id WHERE m.batch_id = $1 AND m.n > $2
     GROUP BY b.id, (m.n - $2::int - 1) / ${CHUNK_SIZE} RETURNING suppressed`,
    [batchId, batch.total, batch.next_chunk],
  );
  await client.query(
    'UPDATE batches SET total = total + $2, next_chunk = next_chunk + $3, preflight = NULL WHERE id = $1',
    [batchId, accepted, rows.length],
  );
  return rows.reduce((sum, row) => sum + row.suppressed, 0);
}

function noneAccepted(count: number, first: RejectedRow[]): AppError {
  const reasons = [...new Set(first.map((row) => row.reason))] satisfies RowReason[];
  const example = first[0] ? ` Row ${first[0].row}: ${first[0].text}.` : '';
  return new AppError(
    'recipients_none_accepted',
    422,
    `None of the ${count} rows can be used (${reasons.join(', ')}).${example}`,
    {
      fix: 'Nothing was imported. Check the file with: batchsender recipients check FILE',
      details: { rejected: first },
    },
  );
}

/** COPY's text format: backslash, tab and line breaks are written as escapes. */
function escapeCopy(text: string): string {
  return /[\\\t\n\r]/.test(text)
    ? text.replace(/\\/g, '\\\\').replace(/\t/g, '\\t').replace(/\n/g, '\\n').replace(/\r/g, '\\r')
    : text;
}
