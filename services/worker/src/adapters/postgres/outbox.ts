import type { OutboxRow, OutboxStore } from '../../pipeline/tracker.ts';
import type { Pool } from './pool.ts';

export class PostgresOutbox implements OutboxStore {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async take(limit: number): Promise<OutboxRow[]> {
    const { rows } = await this.pool.query<OutboxRow>('SELECT id, payload FROM outbox ORDER BY id LIMIT $1', [
      limit,
    ]);
    return rows;
  }

  async remove(ids: number[]): Promise<void> {
    await this.pool.query('DELETE FROM outbox WHERE id = ANY($1)', [ids]);
  }
}
