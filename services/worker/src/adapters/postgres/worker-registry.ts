import type { Logger } from 'pino';
import type { Agent } from '../../lifecycle.ts';
import type { Standing } from '../../pipeline/lane-seats.ts';
import type { Pool } from './pool.ts';

const BEAT_MS = 1000;
/** A sender not seen for this long no longer counts; several missed beats, less than a lease. */
export const ALIVE_FOR = '10 seconds';

export async function liveSenders(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM workers WHERE 'sender' = ANY(roles) AND seen_at > now() - interval '${ALIVE_FOR}'`,
  );
  return rows[0]!.count;
}

/** Says that this process lives, and knows how many senders share every limit. */
export class WorkerRegistry implements Agent {
  readonly name = 'registry';
  private standingNow: Standing = { senders: 1, rank: 0 };
  private timer: NodeJS.Timeout | null = null;
  private beating: Promise<void> = Promise.resolve();
  private readonly pool: Pool;
  private readonly id: string;
  private readonly roles: string[];
  private readonly log: Logger;

  constructor(pool: Pool, id: string, roles: string[], log: Logger) {
    this.pool = pool;
    this.id = id;
    this.roles = roles;
    this.log = log;
  }

  async start(): Promise<void> {
    await this.beat();
    this.timer = setInterval(() => {
      this.beating = this.beat().catch((error: unknown) => this.log.warn({ err: error }, 'heartbeat failed'));
    }, BEAT_MS);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    // A beat under way would bring the row back, and the others would leave our share unused.
    await this.beating;
    await this.pool.query('DELETE FROM workers WHERE id = $1', [this.id]).catch(() => {});
  }

  /** Live senders and this one's place among them. */
  standing(): Standing {
    return this.standingNow;
  }

  private async beat(): Promise<void> {
    const { rows } = await this.pool.query<{ others: number; before: number }>({
      name: 'beat',
      text: `WITH me AS (
          INSERT INTO workers (id, roles) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seen_at = now()
        )
        SELECT count(*) AS others, count(*) FILTER (WHERE id < $1) AS before FROM workers
        WHERE 'sender' = ANY(roles) AND id <> $1 AND seen_at > now() - interval '${ALIVE_FOR}'`,
      values: [this.id, this.roles],
    });
    const { others, before } = rows[0]!;
    this.standingNow = { senders: others + (this.roles.includes('sender') ? 1 : 0), rank: before };
  }
}
