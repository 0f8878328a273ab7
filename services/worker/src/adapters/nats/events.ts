import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { ProviderEvent } from '../../domain/provider-event.ts';
import type { EventIntake, EventQueue, TakenEvent } from '../../pipeline/event-tracker.ts';

const STREAM = 'BATCHSENDER_EVENTS';
const SUBJECT = 'batchsender.events';
const CONSUMER = 'tracker';
const ACK_WAIT_MS = 30_000;
const AGAIN_AFTER_MS = 2000;
const TAKE_WAIT_MS = 1000;
const RECONNECT_MS = 500;

/** Intake through JetStream: an event is on disk before the provider gets its 200. */
export class NatsEventQueue implements EventIntake, EventQueue {
  private connection: NatsConnection | null = null;
  private consumer: Consumer | null = null;
  private readonly url: string;
  private readonly replicas: number;

  constructor(url: string, replicas: number) {
    this.url = url;
    this.replicas = replicas;
  }

  async put(event: ProviderEvent): Promise<void> {
    await this.open();
    await jetstream(this.connection!).publish(SUBJECT, JSON.stringify(event));
  }

  async take(limit: number): Promise<TakenEvent[]> {
    try {
      await this.open();
      const messages = await this.consumer!.fetch({ max_messages: limit, expires: TAKE_WAIT_MS });
      const taken: TakenEvent[] = [];
      for await (const message of messages) {
        taken.push({
          event: message.json<ProviderEvent>(),
          receivedAt: new Date(message.info.timestampNanos / 1_000_000),
          done: async () => message.ack(),
          later: async () => message.nak(AGAIN_AFTER_MS),
        });
      }
      return taken;
    } catch (error) {
      this.consumer = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.connection?.close().catch(() => {});
    this.connection = null;
  }

  private async open(): Promise<void> {
    if (this.consumer && this.connection && !this.connection.isClosed()) return;
    if (!this.connection || this.connection.isClosed()) {
      this.connection = await connect({
        servers: this.url,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        timeout: 2000,
        name: 'batchsender events',
      });
    }
    const manager = await jetstreamManager(this.connection, { timeout: 2000 });
    const config = {
      subjects: [SUBJECT],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      num_replicas: this.replicas,
    };
    await manager.streams.info(STREAM).catch(() => manager.streams.add({ name: STREAM, ...config }));
    await manager.consumers.info(STREAM, CONSUMER).catch(() =>
      manager.consumers.add(STREAM, {
        durable_name: CONSUMER,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: ACK_WAIT_MS * 1_000_000,
      }),
    );
    this.consumer = await jetstream(this.connection).consumers.get(STREAM, CONSUMER);
  }
}
