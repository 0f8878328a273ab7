import type { Logger } from 'pino';
import { type Agent, sleep } from '../lifecycle.ts';
import type { OutboxPayload } from './chunk-store.ts';

export interface OutboxRow {
  id: number;
  payload: OutboxPayload;
}

export interface OutboxStore {
  /** The oldest rows, up to `limit`. */
  take(limit: number): Promise<OutboxRow[]>;
  /** Removes rows that have arrived. */
  remove(ids: number[]): Promise<void>;
}

/** Where events go. A repeated insert of the same events must change nothing. */
export interface EventSink {
  insert(payloads: OutboxPayload[]): Promise<void>;
}

/** Windows per insert; with 64 messages each that is up to 32,000 rows, a size ClickHouse likes. */
const ROWS_PER_ROUND = 500;
const IDLE_MS = 250;
const RETRY_MS = 2000;

/** Drains the outbox to ClickHouse: read, insert, then remove, so a crash repeats an insert and loses none. */
export class Tracker implements Agent {
  readonly name = 'tracker';
  private readonly store: OutboxStore;
  private readonly sink: EventSink;
  private readonly log: Logger;
  private readonly stopping = new AbortController();
  private loop: Promise<void> | null = null;

  constructor(store: OutboxStore, sink: EventSink, log: Logger) {
    this.store = store;
    this.sink = sink;
    this.log = log;
  }

  async start(): Promise<void> {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const moved = await this.drain();
        if (moved < ROWS_PER_ROUND) await sleep(IDLE_MS, signal);
      } catch (error) {
        this.log.warn({ err: error }, 'events could not be stored; they stay in the outbox');
        await sleep(RETRY_MS, signal);
      }
    }
  }

  private async drain(): Promise<number> {
    const rows = await this.store.take(ROWS_PER_ROUND);
    if (rows.length === 0) return 0;
    await this.sink.insert(rows.map((row) => row.payload));
    await this.store.remove(rows.map((row) => row.id));
    return rows.length;
  }
}
