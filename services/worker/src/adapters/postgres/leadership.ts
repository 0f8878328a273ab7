import pg from 'pg';
import type { Leadership } from '../../pipeline/planner.ts';

/** Any fixed number; it names the planner's lock in this database. */
const PLANNER_LOCK = 7_405_001;

/** A session-level advisory lock: it goes with the connection, so a dead leader is followed at once. */
export class AdvisoryLeadership implements Leadership {
  private client: pg.Client | null = null;
  private leading = false;
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async lead(): Promise<boolean> {
    if (this.leading && this.client) return true;
    const client = await this.connected();
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      PLANNER_LOCK,
    ]);
    this.leading = rows[0]!.locked;
    return this.leading;
  }

  async resign(): Promise<void> {
    this.leading = false;
    await this.client?.end().catch(() => {});
    this.client = null;
  }

  private async connected(): Promise<pg.Client> {
    if (this.client) return this.client;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'batchsender planner',
      keepAlive: true,
    });
    const gone = () => {
      if (this.client !== client) return;
      this.client = null;
      this.leading = false;
    };
    client.on('error', gone);
    client.on('end', gone);
    await client.connect();
    this.client = client;
    return client;
  }
}
