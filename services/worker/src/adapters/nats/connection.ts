import {
  AckPolicy,
  type Consumer,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

export const RECONNECT_MS = 500;
const ANSWER_WITHIN_MS = 2000;

export interface WorkQueueOptions {
  stream: string;
  subject: string;
  consumer: string;
  ackWaitMs: number;
  /** Messages older than this are dropped; kept until taken when absent. */
  maxAgeMs?: number;
}

/** The process's one connection to NATS; opened when it is first needed and again after it was closed. */
export class NatsLink {
  readonly replicas: number;
  private readonly url: string;
  private connection: NatsConnection | null = null;
  private opening: Promise<NatsConnection> | null = null;

  constructor(url: string, replicas: number) {
    this.url = url;
    this.replicas = replicas;
  }

  async open(): Promise<NatsConnection> {
    if (this.connection && !this.connection.isClosed()) return this.connection;
    this.opening ??= connect({
      servers: this.url,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      timeout: ANSWER_WITHIN_MS,
      name: 'batchsender',
    }).finally(() => {
      this.opening = null;
    });
    this.connection = await this.opening;
    return this.connection;
  }

  /** @throws when the server does not answer */
  async ping(): Promise<void> {
    const connection = await this.open();
    await connection.rtt();
  }

  async close(): Promise<void> {
    await this.connection?.close().catch(() => {});
    this.connection = null;
  }
}

interface Ready {
  manager: JetStreamManager;
  js: JetStreamClient;
  consumer: Consumer;
}

/** A durable work queue on disk: made when it is missing, also after the server lost all it stored. */
export class WorkQueue {
  readonly options: WorkQueueOptions;
  private readonly link: NatsLink;
  private ready: Ready | null = null;
  private preparing: Promise<Ready> | null = null;

  constructor(link: NatsLink, options: WorkQueueOptions) {
    this.link = link;
    this.options = options;
  }

  async open(): Promise<Ready> {
    if (this.ready) return this.ready;
    this.preparing ??= this.prepare().finally(() => {
      this.preparing = null;
    });
    this.ready = await this.preparing;
    return this.ready;
  }

  /** The stream or the connection is gone: prepared anew at the next call. */
  lost(): void {
    this.ready = null;
  }

  private async prepare(): Promise<Ready> {
    const { stream, subject, consumer, ackWaitMs, maxAgeMs } = this.options;
    const connection = await this.link.open();
    const manager = await jetstreamManager(connection, { timeout: ANSWER_WITHIN_MS });
    await manager.streams.info(stream).catch(() =>
      manager.streams.add({
        name: stream,
        subjects: [subject],
        retention: RetentionPolicy.Workqueue,
        storage: StorageType.File,
        num_replicas: this.link.replicas,
        ...(maxAgeMs ? { max_age: nanoseconds(maxAgeMs) } : {}),
      }),
    );
    await manager.consumers.info(stream, consumer).catch(() =>
      manager.consumers.add(stream, {
        durable_name: consumer,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanoseconds(ackWaitMs),
      }),
    );
    const js = jetstream(connection, { timeout: ANSWER_WITHIN_MS });
    return { manager, js, consumer: await js.consumers.get(stream, consumer) };
  }
}

function nanoseconds(ms: number): number {
  return ms * 1_000_000;
}
