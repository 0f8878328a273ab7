import type { Logger } from 'pino';
import type { OutboxPayload } from './chunk-store.ts';
import { PollingAgent } from './polling-agent.ts';

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

/** Drains the outbox to ClickHouse: read, insert, then remove, so a crash repeats an insert and loses none. */
export class Tracker extends PollingAgent {
  readonly name = 'tracker';
  protected readonly failure = 'events could not be stored; they stay in the outbox';
  private readonly store: OutboxStore;
  private readonly sink: EventSink;

  constructor(store: OutboxStore, sink: EventSink, log: Logger) {
    super(log);
    this.store = store;
    this.sink = sink;
  }

  protected async round(): Promise<number> {
    const rows = await this.store.take(ROWS_PER_ROUND);
    if (rows.length > 0) {
      await this.sink.insert(rows.map((row) => row.payload));
      await this.store.remove(rows.map((row) => row.id));
    }
    return rows.length < ROWS_PER_ROUND ? IDLE_MS : 0;
  }
}
