import type { DuplicatePolicy } from '../../http/stores.ts';
import type { Client } from './pool.ts';

export interface DuplicateCounts {
  /** Staged rows that are rejected. */
  rejected: number;
  /** Recipients that were there and have the values of the new row now; their staged rows are gone. */
  updated: number;
}

/**
 * Decides which of several rows with one address counts, also against what earlier files brought in. With `first`
 * a repeated upload adds nobody; with `last` it brings the newest values.
 */
export async function settleDuplicates(
  client: Client,
  batchId: string,
  policy: DuplicatePolicy,
  hasMessages: boolean,
): Promise<DuplicateCounts> {
  if (policy === 'all') return { rejected: 0, updated: 0 };
  const rejected = await rejectWithin(client, policy);
  if (!hasMessages) return { rejected, updated: 0 };
  if (policy === 'last') return { rejected, updated: await updateExisting(client, batchId) };
  return { rejected: rejected + (await rejectExisting(client, batchId)), updated: 0 };
}

async function rejectWithin(client: Client, policy: 'first' | 'last'): Promise<number> {
  const [order, text] =
    policy === 'first'
      ? ['ASC', 'an earlier row has the same address']
      : ['DESC', 'a later row has the same address'];
  const { rowCount } = await client.query(`
    WITH ranked AS (SELECT seq, row_number() OVER (PARTITION BY key ORDER BY seq ${order}) AS rank FROM staged WHERE reason IS NULL)
    UPDATE staged s SET reason = 'duplicate', column_name = 'address', text = '${text}'
    FROM ranked r WHERE r.seq = s.seq AND r.rank > 1`);
  return rowCount ?? 0;
}

async function rejectExisting(client: Client, batchId: string): Promise<number> {
  const { rowCount } = await client.query(
    `UPDATE staged s SET reason = 'duplicate', column_name = 'address', text = 'the batch already has this address'
     FROM messages m WHERE m.batch_id = $1 AND lower(m.address) = s.key AND s.reason IS NULL`,
    [batchId],
  );
  return rowCount ?? 0;
}

async function updateExisting(client: Client, batchId: string): Promise<number> {
  const { rowCount } = await client.query(
    `WITH changed AS (
       UPDATE messages m SET address = s.address, vars = s.vars
       FROM staged s WHERE m.batch_id = $1 AND lower(m.address) = s.key AND s.reason IS NULL RETURNING s.seq
     )
     DELETE FROM staged s USING changed c WHERE s.seq = c.seq`,
    [batchId],
  );
  return rowCount ?? 0;
}
