import type { SeenEvents } from '../../http/stores.ts';
import type { Pool } from './pool.ts';

export class PostgresSeenEvents implements SeenEvents {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async among(providerId: string, ids: string[]): Promise<Set<string>> {
    const { rows } = await this.pool.query<{ event_id: string }>(
      'SELECT event_id FROM seen_events WHERE provider_id = $1 AND event_id = ANY($2)',
      [providerId, ids],
    );
    return new Set(rows.map((row) => row.event_id));
  }

  async remember(providerId: string, ids: string[]): Promise<void> {
    await this.pool.query(
      'INSERT INTO seen_events (provider_id, event_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING',
      [providerId, ids],
    );
  }
}
