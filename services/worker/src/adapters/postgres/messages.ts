import { MESSAGE_STATES, type MessageState, stateName } from '../../domain/message-state.ts';
import type { AttemptHistory, BatchDetail, MessageView } from '../../http/batch-stores.ts';
import type { Page } from '../../http/stores.ts';
import type { Pool } from './pool.ts';

const COLUMNS =
  'm.n, m.address, m.state, m.soft, m.attempts, m.provider_message_id, m.code, m.detail, m.updated_at';

const ALL = `SELECT ${COLUMNS} FROM messages m WHERE m.batch_id = $1 AND m.n > $2 ORDER BY m.n LIMIT $3`;

/**
 * Only the chunks that count messages of that state are looked into, in order, until the page is full: a
 * rare state in a million messages costs a scan of the chunk rows and of a few chunks. A retry chunk's
 * messages count where they belong, so range chunks suffice; `waiting` are states that deltas may hide.
 */
const BY_STATE = `
  SELECT ${COLUMNS} FROM (
    SELECT first_n, last_n FROM chunks c WHERE c.batch_id = $1 AND c.ns IS NULL AND c.last_n > $2 AND $5
    ORDER BY first_n
  ) k CROSS JOIN LATERAL (
    SELECT * FROM messages m WHERE m.batch_id = $1 AND m.n BETWEEN greatest(k.first_n, $2 + 1) AND k.last_n AND m.state = ANY($4::smallint[])
    ORDER BY m.n
  ) m ORDER BY k.first_n, m.n LIMIT $3`;

/** One page of a batch's messages by n, all or those in one state. */
export async function listMessages(
  pool: Pool,
  batch: BatchDetail,
  state: MessageState | null,
  page: Page,
): Promise<MessageView[]> {
  const cancelled = batch.state === 'cancelled';
  const after = Number(page.cursor ?? 0);
  if (state === null) {
    const { rows } = await pool.query({
      name: 'messages-all',
      text: ALL,
      values: [batch.id, after, page.limit],
    });
    return rows.map((row) => messageView(batch.id, row, cancelled));
  }
  const stored = storedStates(state, cancelled);
  if (stored.length === 0) return [];
  const counted = `(${columnsCounting(state)
    .map((column) => `c.${column} <> 0`)
    .join(' OR ')})`;
  const { rows } = await pool.query({
    name: `messages-${state}-${cancelled}`,
    text: BY_STATE.replace('$5', counted),
    values: [batch.id, after, page.limit, stored],
  });
  return rows.map((row) => messageView(batch.id, row, cancelled));
}

/** A message is tried a few times, but a round by hand starts anew: the newest are shown. */
const MAX_ATTEMPTS_SHOWN = 50;

export async function attemptsOf(pool: Pool, batchId: string, n: number): Promise<AttemptHistory> {
  const tried = await pool.query(
    `SELECT at, outcome, code, detail FROM attempts WHERE batch_id = $1 AND n = $2 ORDER BY at DESC LIMIT ${MAX_ATTEMPTS_SHOWN}`,
    [batchId, n],
  );
  const due = await pool.query<{ due_at: Date }>(
    'SELECT due_at FROM deferrals WHERE batch_id = $1 AND n = $2',
    [batchId, n],
  );
  return { tried: tried.rows.reverse(), nextRetryAt: due.rows[0]?.due_at ?? null };
}

/** Row states that a user sees as `state`. */
function storedStates(state: MessageState, cancelled: boolean): number[] {
  const open = [MESSAGE_STATES.queued, MESSAGE_STATES.deferred];
  if (state === 'cancelled')
    return cancelled ? [...open, MESSAGE_STATES.cancelled] : [MESSAGE_STATES.cancelled];
  if (cancelled && (state === 'queued' || state === 'deferred')) return [];
  return state === 'sending' ? [] : [MESSAGE_STATES[state]];
}

/** Chunk counters that can hold such messages; those gathered for a retry are still counted as deferred. */
function columnsCounting(state: MessageState): MessageState[] {
  return state === 'queued' ? ['queued', 'sending', 'deferred'] : [state];
}

// biome-ignore lint/suspicious/noExplicitAny: a row as pg types it
function messageView(batchId: string, row: any, cancelled: boolean): MessageView {
  return {
    n: row.n,
    id: `${batchId}.${row.n}`,
    address: row.address,
    state: stateName(row.state, cancelled),
    temporary: row.state === MESSAGE_STATES.bounced && row.soft === true,
    attempts: row.attempts,
    providerMessageId: row.provider_message_id,
    code: row.code,
    detail: row.detail,
    updatedAt: row.updated_at,
  };
}
