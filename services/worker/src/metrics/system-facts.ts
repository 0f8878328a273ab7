import type { OpenBatch } from '../domain/stalls.ts';

export interface QueueFacts {
  provider: string;
  queued: number;
  sending: number;
  deferred: number;
  /** Of chunks that wait for a sender; null when none does. */
  oldestReadySeconds: number | null;
}

export interface DatabaseFacts {
  bytes: number;
  connections: number;
  maxConnections: number;
  /** Age of the longest open transaction; it keeps vacuum from its work. */
  oldestTransactionSeconds: number;
}

/** What the database says of the whole system; the same from whichever process asks. */
export interface SystemFacts {
  queues: QueueFacts[];
  open: OpenBatch[];
  batches: { state: string; count: number }[];
  providers: { name: string; paused: boolean }[];
  leasedChunks: number;
  uncertain: number;
  outbox: { rows: number; oldestSeconds: number };
  workers: { role: string; count: number }[];
  database: DatabaseFacts;
}

export interface SystemFactsStore {
  read(): Promise<SystemFacts>;
}
