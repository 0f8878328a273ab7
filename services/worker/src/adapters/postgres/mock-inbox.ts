import type { OutgoingMessage } from '../../pipeline/provider.ts';
import type { Pool } from './pool.ts';

const KEPT_PER_PROVIDER = 100;

/** The newest messages of each mock provider. */
export class PostgresMockInbox {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async keep(providerId: string, messages: OutgoingMessage[]): Promise<void> {
    await this.pool.query(
      'INSERT INTO mock_messages (provider_id, message) SELECT $1, m FROM unnest($2::json[]) m',
      [providerId, messages.map((message) => JSON.stringify(message))],
    );
    await this.pool.query(
      `DELETE FROM mock_messages WHERE provider_id = $1 AND id <= (
         SELECT id FROM mock_messages WHERE provider_id = $1 ORDER BY id DESC OFFSET ${KEPT_PER_PROVIDER} LIMIT 1)`,
      [providerId],
    );
  }
}
