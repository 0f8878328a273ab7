import { createHash, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { uuid7 } from '../../domain/uuid7.ts';
import type { AccountStore, Identity } from '../../http/stores.ts';
import type { Pool } from './pool.ts';

const SESSION_TTL = '14 days';
/** Enough to tell keys apart in a list, never more than a third of a key. */
const KEY_PREFIX_CHARS = 8;

/** What is stored of a key or session token; both are long and random, so a plain hash cannot be reversed. */
function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Checked against when the user is unknown, so that the answer takes as long. */
const UNKNOWN_USER_HASH = hash(randomBytes(16).toString('hex'));

export class PostgresAccounts implements AccountStore {
  private readonly pool: Pool;
  private readonly allowDevelopment: boolean;

  /** @param allowDevelopment false in production: credentials from the README are refused */
  constructor(pool: Pool, allowDevelopment: boolean) {
    this.pool = pool;
    this.allowDevelopment = allowDevelopment;
  }

  async byKey(key: string): Promise<Identity | null> {
    const { rows } = await this.pool.query({
      name: 'by-key',
      text: `SELECT account_id, id, name, development FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL`,
      values: [digest(key)],
    });
    const row = rows[0];
    if (!row || (row.development && !this.allowDevelopment)) return null;
    return { accountId: row.account_id, name: row.name, by: 'key' };
  }

  async bySession(token: string): Promise<Identity | null> {
    const { rows } = await this.pool.query({
      name: 'by-session',
      text: `SELECT u.account_id, u.email, u.development FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.token_hash = $1 AND s.expires_at > now()`,
      values: [digest(token)],
    });
    const row = rows[0];
    if (!row || (row.development && !this.allowDevelopment)) return null;
    return { accountId: row.account_id, name: row.email, by: 'session' };
  }

  async logIn(email: string, password: string): Promise<string | null> {
    const { rows } = await this.pool.query(
      `SELECT id, password_hash, development FROM users WHERE lower(email) = lower($1)`,
      [email],
    );
    const user = rows[0];
    const matches = await verify(user?.password_hash ?? (await UNKNOWN_USER_HASH), password);
    if (!user || !matches || (user.development && !this.allowDevelopment)) return null;
    const token = randomBytes(32).toString('base64url');
    await this.pool.query(
      `INSERT INTO sessions (token_hash, user_id, expires_at) VALUES ($1, $2, now() + interval '${SESSION_TTL}')`,
      [digest(token), user.id],
    );
    return token;
  }

  async logOut(token: string): Promise<void> {
    await this.pool.query('DELETE FROM sessions WHERE token_hash = $1', [digest(token)]);
  }

  async createAccount(name: string): Promise<string> {
    const id = uuid7();
    await this.pool.query('INSERT INTO accounts (id, name) VALUES ($1, $2)', [id, name]);
    return id;
  }

  /** Adds the user, or returns false when the address is taken. */
  async createUser(
    accountId: string,
    email: string,
    password: string,
    development: boolean,
  ): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `INSERT INTO users (id, account_id, email, password_hash, development) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
      [uuid7(), accountId, email, await hash(password), development],
    );
    return rowCount === 1;
  }

  async createKey(accountId: string, name: string, key: string, development: boolean): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `INSERT INTO api_keys (id, account_id, name, key_hash, prefix, development) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
      [
        uuid7(),
        accountId,
        name,
        digest(key),
        key.slice(0, Math.min(KEY_PREFIX_CHARS, Math.floor(key.length / 3))),
        development,
      ],
    );
    return rowCount === 1;
  }

  async accountOfUser(email: string): Promise<string | null> {
    const { rows } = await this.pool.query('SELECT account_id FROM users WHERE lower(email) = lower($1)', [
      email,
    ]);
    return rows[0]?.account_id ?? null;
  }
}
