import type { Channel } from '../../domain/channel.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { byComma, type EventFormatName } from '../../domain/events/formats.ts';
import { uuid7 } from '../../domain/uuid7.ts';
import type { EventSource, NewProvider, Page, ProviderStore, ProviderSummary } from '../../http/stores.ts';
import type { ProviderConfig } from '../../pipeline/chunk-store.ts';
import { notify } from './notifications.ts';
import { type Pool, sqlState } from './pool.ts';
import type { SecretBox } from './secret-box.ts';

const UNIQUE_VIOLATION = '23505';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SHOWN_SECRET = '***';

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Null for a provider that was told of no proof: it takes no events. */
export function eventSource(
  accountId: string,
  settings: Record<string, unknown>,
  { eventSecret }: Record<string, unknown>,
): EventSource | null {
  const proofs = {
    secrets: byComma(eventSecret),
    publicKeys: byComma(settings.eventPublicKey),
    topics: byComma(settings.eventTopics),
  };
  if (Object.values(proofs).every((list) => list.length === 0)) return null;
  return { accountId, format: (settings.eventFormat ?? 'batchsender') as EventFormatName, ...proofs };
}

export class PostgresProviders implements ProviderStore {
  private readonly pool: Pool;
  private readonly secrets: SecretBox;

  constructor(pool: Pool, secrets: SecretBox) {
    this.pool = pool;
    this.secrets = secrets;
  }

  async create(accountId: string, provider: NewProvider): Promise<ProviderSummary> {
    const { name, kind, settings, limits } = provider;
    try {
      const { rows } = await this.pool.query(
        `INSERT INTO providers (id, account_id, name, kind, settings, secrets, limits) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *`,
        [uuid7(), accountId, name, kind, settings, this.secrets.seal(provider.secrets), limits],
      );
      return this.summary(rows[0]);
    } catch (error) {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw new AppError('provider_exists', 409, `There is already a provider "${name}".`, {
        field: 'name',
        fix: 'Choose another name, or remove the old one first.',
      });
    }
  }

  async list(accountId: string, page: Page): Promise<ProviderSummary[]> {
    const { rows } = await this.pool.query(
      `SELECT * FROM providers WHERE account_id = $1 AND removed_at IS NULL AND id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
       ORDER BY id LIMIT $3`,
      [accountId, page.cursor, page.limit],
    );
    return rows.map((row) => this.summary(row));
  }

  async find(accountId: string, idOrName: string): Promise<ProviderSummary> {
    return this.summary(await this.row(accountId, idOrName));
  }

  async config(accountId: string, id: string): Promise<ProviderConfig> {
    const row = await this.row(accountId, id);
    const settings = { ...row.settings, ...this.secrets.open(row.secrets) };
    return { id: row.id, name: row.name, kind: row.kind, settings, limits: row.limits, version: row.version };
  }

  async defaultId(accountId: string, channel: Channel): Promise<string | null> {
    const { rows } = await this.pool.query<{ id: string; name: string }>(
      `SELECT id, name FROM providers WHERE account_id = $1 AND removed_at IS NULL AND (kind <> 'smtp' OR $2 = 'email') ORDER BY (name = 'default') DESC, id LIMIT 2`,
      [accountId, channel],
    );
    if (rows.length === 1 || rows[0]?.name === 'default') return rows[0]!.id;
    return null;
  }

  async remove(accountId: string, id: string): Promise<void> {
    const { rows } = await this.pool.query<{ id: string }>(
      `SELECT id FROM batches WHERE provider_id = $1 AND state IN ('draft', 'scheduled', 'sending', 'paused') LIMIT 1`,
      [id],
    );
    if (rows[0]) {
      throw new AppError('provider_in_use', 409, `Batch ${rows[0].id} still uses this provider.`, {
        fix: 'Wait until it has finished, or cancel it.',
      });
    }
    await this.pool.query(
      'UPDATE providers SET removed_at = now(), secrets = NULL WHERE account_id = $1 AND id = $2',
      [accountId, id],
    );
  }

  async resume(accountId: string, id: string): Promise<ProviderSummary> {
    await this.pool.query(
      `UPDATE providers SET state = 'active', pause_reason = NULL, version = version + 1 WHERE account_id = $1 AND id = $2`,
      [accountId, id],
    );
    await notify(this.pool, 'chunk_ready', id);
    return this.find(accountId, id);
  }

  async forEvents(id: string): Promise<EventSource | null> {
    if (!isUuid(id)) return null;
    const { rows } = await this.pool.query(
      'SELECT account_id, settings, secrets FROM providers WHERE id = $1 AND removed_at IS NULL',
      [id],
    );
    return rows[0]
      ? eventSource(rows[0].account_id, rows[0].settings, this.secrets.open(rows[0].secrets))
      : null;
  }

  async eventsSeen(id: string): Promise<void> {
    await this.pool.query(
      `UPDATE providers SET events_seen_at = now() WHERE id = $1 AND (events_seen_at IS NULL OR events_seen_at < now() - interval '1 minute')`,
      [id],
    );
  }

  async mockMessages(accountId: string, id: string, limit: number): Promise<unknown[]> {
    const { rows } = await this.pool.query(
      `SELECT m.message, m.received_at FROM mock_messages m JOIN providers p ON p.id = m.provider_id
       WHERE p.account_id = $1 AND p.id = $2 ORDER BY m.id DESC LIMIT $3`,
      [accountId, id, limit],
    );
    return rows.map((row) => ({ ...row.message, receivedAt: row.received_at }));
  }

  private async row(accountId: string, idOrName: string) {
    const by = isUuid(idOrName) ? 'id' : 'name';
    const { rows } = await this.pool.query(
      `SELECT * FROM providers WHERE account_id = $1 AND ${by} = $2 AND removed_at IS NULL`,
      [accountId, idOrName],
    );
    if (!rows[0]) throw notFound('provider', idOrName);
    return rows[0];
  }

  // biome-ignore lint/suspicious/noExplicitAny: a row as pg types it
  private summary(row: any): ProviderSummary {
    const secrets = this.secrets.open(row.secrets);
    const hidden = Object.fromEntries(Object.keys(secrets).map((name) => [name, SHOWN_SECRET]));
    return {
      id: row.id,
      name: row.name,
      kind: row.kind,
      settings: { ...row.settings, ...hidden },
      limits: row.limits,
      state: row.state,
      pauseReason: row.pause_reason,
      takesEvents: eventSource(row.account_id, row.settings, secrets) !== null,
      createdAt: row.created_at,
    };
  }
}
