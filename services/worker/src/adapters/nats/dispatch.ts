import {
  AckPolicy,
  type Consumer,
  type JetStreamClient,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { sleep } from '../../lifecycle.ts';
import type { Announcements, Dispatcher, ReadyLane } from '../../pipeline/dispatcher.ts';

const STREAM = 'BATCHSENDER_CHUNKS';
const SUBJECT = 'batchsender.chunks';
const CONSUMER = 'senders';
/** Hints are cheap and repeated: an old one is worth nothing. */
const MAX_AGE_MS = 60_000;
const ACK_WAIT_MS = 10_000;
/** Hints of one lane and round; as many senders wake at once. */
const HINTS_PER_LANE = 16;
const RECONNECT_MS = 500;

export interface NatsOptions {
  replicas: number;
}

/**
 * Dispatch through JetStream: a durable work queue on disk with one subject a lane. A message is a hint that
 * chunks of the lane are ready; the chunk rows are the truth, and the planner repeats hints until they are
 * taken. So losing the server, or all it stored, delays work by one planner round and loses nothing.
 */
export class NatsDispatch implements Dispatcher, Announcements {
  private connection: NatsConnection | null = null;
  private js: JetStreamClient | null = null;
  private consumer: Consumer | null = null;
  private readonly url: string;
  private readonly options: NatsOptions;
  private readonly log: Logger;
  private opening: Promise<void> | null = null;

  constructor(url: string, options: NatsOptions, log: Logger) {
    this.url = url;
    this.options = options;
    this.log = log;
  }

  async start(): Promise<void> {
    await this.open().catch((error: unknown) =>
      this.log.warn({ err: error }, 'NATS not available; looking at the chunk rows instead'),
    );
  }

  /** Takes one hint, or returns after `ms`; then the sender looks at the rows anyway. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.open();
      const message = await Promise.race([
        this.consumer!.next({ expires: Math.max(1000, ms) }),
        sleep(ms, signal).then(() => null),
      ]);
      message?.ack();
    } catch (error) {
      await this.lost(error);
      await sleep(Math.min(ms, RECONNECT_MS), signal);
    }
  }

  async announce(ready: ReadyLane[]): Promise<void> {
    if (ready.length === 0) return;
    try {
      await this.open();
      const pending = await this.pendingByLane();
      for (const { lane, chunks } of ready) {
        const missing = Math.min(chunks, HINTS_PER_LANE) - (pending.get(lane) ?? 0);
        await Promise.all(
          Array.from({ length: Math.max(0, missing) }, () => this.js!.publish(`${SUBJECT}.${lane}`)),
        );
      }
    } catch (error) {
      await this.lost(error);
    }
  }

  async stop(): Promise<void> {}

  async close(): Promise<void> {
    await this.connection?.close().catch(() => {});
    this.connection = null;
  }

  private async pendingByLane(): Promise<Map<string, number>> {
    const manager = await jetstreamManager(this.connection!);
    const { state } = await manager.streams.info(STREAM, { subjects_filter: `${SUBJECT}.>` });
    return new Map(
      Object.entries(state.subjects ?? {}).map(([subject, count]) => [
        subject.slice(SUBJECT.length + 1),
        count,
      ]),
    );
  }

  private open(): Promise<void> {
    if (this.consumer && this.connection && !this.connection.isClosed()) return Promise.resolve();
    this.opening ??= this.connectAndPrepare().finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  private async connectAndPrepare(): Promise<void> {
    if (!this.connection || this.connection.isClosed())
      this.connection = await connect({
        servers: this.url,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        timeout: 2000,
        name: 'batchsender',
      });
    const manager = await jetstreamManager(this.connection, { timeout: 2000 });
    const config = {
      subjects: [`${SUBJECT}.>`],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      num_replicas: this.options.replicas,
      max_age: nanoseconds(MAX_AGE_MS),
    };
    await manager.streams.info(STREAM).catch(() => manager.streams.add({ name: STREAM, ...config }));
    await manager.consumers.info(STREAM, CONSUMER).catch(() =>
      manager.consumers.add(STREAM, {
        durable_name: CONSUMER,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanoseconds(ACK_WAIT_MS),
      }),
    );
    this.js = jetstream(this.connection, { timeout: 2000 });
    this.consumer = await this.js.consumers.get(STREAM, CONSUMER);
  }

  /** The stream or the connection is gone: prepare everything anew at the next call. */
  private async lost(error: unknown): Promise<void> {
    this.log.warn({ err: error }, 'NATS failed; going on from the chunk rows');
    this.consumer = null;
  }
}

function nanoseconds(ms: number): number {
  return ms * 1_000_000;
}
