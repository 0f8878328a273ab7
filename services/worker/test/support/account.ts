import { createHash } from 'node:crypto';
import type pg from 'pg';

export const OTHER_KEY = 'other-key';

/** A second account with the API key OTHER_KEY. */
export async function createOtherAccount(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query(
    `INSERT INTO accounts (id, name) VALUES (gen_random_uuid(), 'other') RETURNING id`,
  );
  await pool.query(
    `INSERT INTO api_keys (id, account_id, name, key_hash, prefix) VALUES (gen_random_uuid(), $1, 'other', $2, 'x')`,
    [rows[0].id, createHash('sha256').update(OTHER_KEY).digest()],
  );
  return rows[0].id;
}
