import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { BatchState } from '../../domain/batch-state.ts';
import { addressKey } from '../../domain/channel.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { type RecipientFile, type RecipientOptions, readRecipients } from '../../domain/recipients/reader.ts';
import { RecipientFileError, type RejectedRow, type RowReason } from '../../domain/recipients/reason.ts';
import { uuid7 } from '../../domain/uuid7.ts';
import type { ImportResult, ImportStore } from '../../http/stores.ts';
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

  async import(
    accountId: string,
    batchId: string,
    bytes: AsyncIterable<Uint8Array>,
    options: RecipientOptions,
  ): Promise<ImportResult> {
    try {
      return await transaction(this.pool, (client) => importFile(client, accountId, batchId, bytes, options));
    } catch (error) {
      if (!(error instanceof RecipientFileError)) throw error;
      throw new AppError(`recipients_${error.code}`, 422, error.message, {
        fix: 'Nothing was imported. Check the file with: batchsender recipients check FILE',
      });
    }
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

async function importFile(
  client: Client,
  accountId: string,
  batchId: string,
  bytes: AsyncIterable<Uint8Array>,
  options: RecipientOptions,
): Promise<ImportResult> {
  const batch = await lockDraft(client, accountId, batchId);
  await client.query(`
    CREATE TEMP TABLE staged (
      seq int NOT NULL, row int NOT NULL, address text COLLATE "C", key text COLLATE "C", vars json,
      reason text, column_name text, text text
    ) ON COMMIT DROP`);
  const file = await readRecipients(bytes, options);
  const counted = await stage(client, file);
  const duplicates = await rejectDuplicates(client, batchId, batch.total > 0);
  const accepted = counted.accepted - duplicates;
  if (accepted === 0 && duplicates === 0) throw noneAccepted(counted.rejected, counted.first);
  const suppressed = await moveIn(client, accountId, batchId, batch, accepted);
  const facts = file.facts();
  const id = await record(client, batchId, {
    accepted,
    rejected: counted.rejected + duplicates,
    duplicates,
    suppressed,
    facts,
  });
  const first = await client.query(
    `SELECT row, column_name AS column, reason, text FROM import_rejects WHERE import_id = $1 ORDER BY row LIMIT ${FIRST_REJECTED}`,
    [id],
  );
  return {
    id,
    accepted,
    rejected: counted.rejected + duplicates,
    duplicates,
    suppressed,
    firstRejected: first.rows,
    ...facts,
  };
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

/** The first row of an address wins, also over later files of the same batch; so a repeated upload adds nobody. */
async function rejectDuplicates(client: Client, batchId: string, hasMessages: boolean): Promise<number> {
  const again = await client.query(`
    WITH ranked AS (SELECT seq, row_number() OVER (PARTITION BY key ORDER BY seq) AS rank FROM staged WHERE reason IS NULL)
    UPDATE staged s SET reason = 'duplicate', column_name = 'address', text = 'an earlier row has the same address'
    FROM ranked r WHERE r.seq = s.seq AND r.rank > 1`);
  if (!hasMessages) return again.rowCount ?? 0;
  const there = await client.query(
    `UPDATE staged s SET reason = 'duplicate', column_name = 'address', text = 'the batch already has this address'
     FROM messages m WHERE m.batch_id = $1 AND lower(m.address) = s.key AND s.reason IS NULL`,
    [batchId],
  );
  return (again.rowCount ?? 0) + (there.rowCount ?? 0);
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
  await client.query('UPDATE batches SET total = total + $2, next_chunk = next_chunk + $3 WHERE id = $1', [
    batchId,
    accepted,
    rows.length,
  ]);
  return rows.reduce((sum, row) => sum + row.suppressed, 0);
}

async function record(
  client: Client,
  batchId: string,
  result: { accepted: number; rejected: number; duplicates: number; suppressed: number; facts: unknown },
): Promise<string> {
  const id = uuid7();
  await client.query(
    'INSERT INTO imports (id, batch_id, accepted, rejected, duplicates, suppressed, facts) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    [id, batchId, result.accepted, result.rejected, result.duplicates, result.suppressed, result.facts],
  );
  await client.query(
    'INSERT INTO import_rejects SELECT $1, row, column_name, reason, text FROM staged WHERE reason IS NOT NULL',
    [id],
  );
  return id;
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
