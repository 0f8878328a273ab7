import pg from 'pg';
import type { Logger } from 'pino';
import { sleep } from '../../lifecycle.ts';

/**
 * `chunk_ready`: senders should look for work. `planner`: something to start or finish. `batch_control`: a
 * batch (payload: its id) was paused or cancelled. Hints only; everybody also looks by himself now and then.
 */
export type NotificationChannel = 'chunk_ready' | 'planner' | 'batch_control';

const CHANNELS: NotificationChannel[] = ['chunk_ready', 'planner', 'batch_control'];
const RECONNECT_MS = 500;

export async function notify(
  db: { query(text: string, values: unknown[]): Promise<unknown> },
  channel: NotificationChannel,
  payload: string,
): Promise<void> {
  await db.query('SELECT pg_notify($1, $2)', [channel, payload]);
}

/** LISTEN on a connection of its own that comes back after a break. */
export class Notifications {
  private client: pg.Client | null = null;
  private stopped = false;
  private readonly listeners = new Map<NotificationChannel, Set<(payload: string) => void>>();
  private readonly url: string;
  private readonly log: Logger;

  constructor(url: string, log: Logger) {
    this.url = url;
    this.log = log;
  }

  on(channel: NotificationChannel, listener: (payload: string) => void): void {
    const set = this.listeners.get(channel) ?? new Set();
    this.listeners.set(channel, set.add(listener));
  }

  async start(): Promise<void> {
    if (this.client || this.stopped) return;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'batchsender listen',
      keepAlive: true,
    });
    client.on('notification', ({ channel, payload }) =>
      this.emit(channel as NotificationChannel, payload ?? ''),
    );
    client.on('error', (error) => this.log.warn({ err: error }, 'listening connection broke'));
    client.on('end', () => this.reconnect());
    await client.connect();
    this.client = client;
    await client.query(CHANNELS.map((channel) => `LISTEN ${channel}`).join('; '));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.client?.end().catch(() => {});
    this.client = null;
  }

  /** Resolves on the next notification of the channel, or after `ms`. */
  wait(channel: NotificationChannel, ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const listener = () => woken.abort();
    this.on(channel, listener);
    return sleep(ms, AbortSignal.any([woken.signal, signal])).finally(() =>
      this.listeners.get(channel)?.delete(listener),
    );
  }

  private emit(channel: NotificationChannel, payload: string): void {
    for (const listener of [...(this.listeners.get(channel) ?? [])]) listener(payload);
  }

  private async reconnect(): Promise<void> {
    this.client = null;
    while (!this.stopped && !this.client) {
      await sleep(RECONNECT_MS);
      await this.start().catch((error: unknown) =>
        this.log.warn({ err: error }, 'listening connection not back yet'),
      );
    }
    // Whatever was notified meanwhile is unknown: let everybody look.
    for (const channel of CHANNELS) if (channel !== 'batch_control') this.emit(channel, '');
  }
}
