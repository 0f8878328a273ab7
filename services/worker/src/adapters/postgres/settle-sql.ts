import { MESSAGE_STATES } from '../../domain/message-state.ts';

const { queued, deferred, sent, failed, suppressed, uncertain } = MESSAGE_STATES;

/**
 * One window's outcomes in one statement, and so in one transaction: message rows, attempts, deferrals,
 * outbox row, chunk counters and the mark of the next window. `guard` locks the chunk row and is empty when
 * the lease was lost; everything else depends on it. Counters are counted from the rows that really changed.
 *
 * `m.n = ANY($8)` says nothing new to the join, but makes the index scan on (batch_id, n) the best plan whatever the
 * statistics are; without it a batch that was never analysed was read whole for every message of a window.
 *
 * A repetition, after a connection that broke before the answer, changes nothing: windows of a chunk follow
 * one another, so `sending` is what the last mark put in flight and is replaced, not added to.
 *
 * $1 batch $2 chunk $3 epoch $4 owner $5 lease ms $6 next mark or null $7 messages in the next window
 * $8 n[] $9 state[] $10 attempt[] $11 provider message id[] $12 code[] $13 detail[] $14 due at[]
 * $15 account $16 outbox payload or null
 */
const COMMON = `
  WITH guard AS MATERIALIZED (
    SELECT batch_id, no, halt IS NULL AS sending_allowed, coalesce(halt = 'cancelled', false) AS cancelled
    FROM chunks WHERE batch_id = $1 AND no = $2 AND epoch = $3 AND lease_owner = $4 AND state = 'leased'
    FOR UPDATE
  ), outcome AS (
    SELECT * FROM unnest($8::int[], $9::smallint[], $10::smallint[], $11::text[], $12::text[], $13::text[], $14::timestamptz[])
      AS o(n, state, attempt, provider_message_id, code, detail, due_at)
  ), changed AS (
    UPDATE messages m SET state = o.state, attempts = o.attempt, provider_message_id = o.provider_message_id,
      code = o.code, detail = o.detail, updated_at = now()
    FROM outcome o, guard WHERE m.batch_id = $1 AND m.n = o.n AND m.n = ANY($8::int[]) AND m.state = ${queued}
    RETURNING m.n, m.state
  ), waiting AS (
    INSERT INTO deferrals (batch_id, n, due_at)
    SELECT $1, o.n, o.due_at FROM outcome o JOIN changed USING (n), guard WHERE o.due_at IS NOT NULL AND NOT guard.cancelled
    ON CONFLICT (batch_id, n) DO UPDATE SET due_at = excluded.due_at
  ), tried AS (
    INSERT INTO attempts (batch_id, n, attempt, at, outcome, code, detail)
    SELECT $1, o.n, o.attempt, now(),
      CASE o.state WHEN ${deferred} THEN 'deferred' WHEN ${failed} THEN 'failed' WHEN ${uncertain} THEN 'uncertain' ELSE 'suppressed' END,
      o.code, o.detail
    FROM outcome o JOIN changed USING (n) WHERE o.code IS NOT NULL
  ), event AS (
    INSERT INTO outbox (account_id, batch_id, payload) SELECT $15::uuid, $1, $16::json FROM guard WHERE $16::text IS NOT NULL
  )`;

const COUNTS = `
    SELECT count(*) AS moved, count(*) FILTER (WHERE state = ${deferred}) AS deferred, count(*) FILTER (WHERE state = ${sent}) AS sent,
      count(*) FILTER (WHERE state = ${failed}) AS failed, count(*) FILTER (WHERE state = ${suppressed}) AS suppressed,
      count(*) FILTER (WHERE state = ${uncertain}) AS uncertain`;

const NEXT_MARK = `
    lease_until = now() + make_interval(secs => $5 / 1000.0),
    attempted_upto = CASE WHEN guard.sending_allowed THEN greatest(c.attempted_upto, coalesce($6::int, c.attempted_upto)) ELSE c.attempted_upto END,
    sending = CASE WHEN guard.sending_allowed THEN $7::int ELSE 0 END`;

/** A message that would be tried again, in a batch that was cancelled meanwhile, is cancelled. */
const deltas = (row: string, d: string) => `
    deferred = ${row}.deferred + CASE WHEN guard.cancelled THEN 0 ELSE ${d}.deferred END,
    cancelled = ${row}.cancelled + CASE WHEN guard.cancelled THEN ${d}.deferred ELSE 0 END,
    sent = ${row}.sent + ${d}.sent, failed = ${row}.failed + ${d}.failed,
    suppressed = ${row}.suppressed + ${d}.suppressed, uncertain = ${row}.uncertain + ${d}.uncertain`;

export const SETTLE_RANGE = {
  name: 'settle-range',
  text: `${COMMON}, d AS (${COUNTS} FROM changed)
  UPDATE chunks c SET ${NEXT_MARK},
    queued = c.queued + c.sending - d.moved - CASE WHEN guard.sending_allowed THEN $7::int ELSE 0 END, ${deltas('c', 'd')}
  FROM guard, d WHERE c.batch_id = guard.batch_id AND c.no = guard.no
  RETURNING guard.sending_allowed`,
};

/**
 * The messages of a retry chunk count as deferred (or, in a cancelled batch, as cancelled) where they belong,
 * less the chunk's own deltas; with the outcome both go.
 */
export const SETTLE_RETRY = {
  name: 'settle-retry',
  text: `${COMMON}, d AS (${COUNTS} FROM changed), home AS (
    ${COUNTS}, h.no FROM changed CROSS JOIN LATERAL (
      SELECT no FROM chunks r WHERE r.batch_id = $1 AND r.ns IS NULL AND r.first_n <= changed.n ORDER BY r.first_n DESC LIMIT 1
    ) h GROUP BY h.no
  ), counted AS (
    UPDATE chunks r SET
      deferred = r.deferred + CASE WHEN guard.cancelled THEN 0 ELSE home.deferred - home.moved END,
      cancelled = r.cancelled + CASE WHEN guard.cancelled THEN home.deferred - home.moved ELSE 0 END,
      sent = r.sent + home.sent, failed = r.failed + home.failed,
      suppressed = r.suppressed + home.suppressed, uncertain = r.uncertain + home.uncertain
    FROM home, guard WHERE r.batch_id = $1 AND r.no = home.no
  )
  UPDATE chunks c SET ${NEXT_MARK},
    queued = c.queued + c.sending - d.moved - CASE WHEN guard.sending_allowed THEN $7::int ELSE 0 END,
    deferred = c.deferred + CASE WHEN guard.cancelled THEN 0 ELSE d.moved END,
    cancelled = c.cancelled + CASE WHEN guard.cancelled THEN d.moved ELSE 0 END
  FROM guard, d WHERE c.batch_id = guard.batch_id AND c.no = guard.no
  RETURNING guard.sending_allowed`,
};
