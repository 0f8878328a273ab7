import type { JsMsg } from '@nats-io/jetstream';
import type { ProviderEvent } from '../../domain/provider-event.ts';
import type { EventIntake, EventQueue, TakenEvent } from '../../pipeline/event-tracker.ts';
import { type NatsLink, WorkQueue } from './connection.ts';

const SUBJECT = 'batchsender.events';
const ACK_WAIT_MS = 30_000;
const AGAIN_AFTER_MS = 2000;
const TAKE_WAIT_MS = 1000;

/** Intake through JetStream: an event is on disk before the provider gets its 200. */
export class NatsEventQueue implements EventIntake, EventQueue<JsMsg> {
  private readonly queue: WorkQueue;

  constructor(link: NatsLink) {
    this.queue = new WorkQueue(link, {
      stream: 'BATCHSENDER_EVENTS',
      subject: SUBJECT,
      consumer: 'tracker',
      ackWaitMs: ACK_WAIT_MS,
    });
  }

  async put(events: ProviderEvent[]): Promise<void> {
    try {
      const { js } = await this.queue.open();
      await Promise.all(events.map((event) => js.publish(SUBJECT, JSON.stringify(event))));
    } catch (error) {
      this.queue.lost();
      throw error;
    }
  }

  async take(limit: number): Promise<TakenEvent<JsMsg>[]> {
    try {
      const { consumer } = await this.queue.open();
      const messages = await consumer.fetch({ max_messages: limit, expires: TAKE_WAIT_MS });
      const taken: TakenEvent<JsMsg>[] = [];
      for await (const message of messages)
        taken.push({
          event: message.json<ProviderEvent>(),
          receivedAt: new Date(message.info.timestampNanos / 1_000_000),
          handle: message,
        });
      return taken;
    } catch (error) {
      this.queue.lost();
      throw error;
    }
  }

  async settle(done: TakenEvent<JsMsg>[], later: TakenEvent<JsMsg>[]): Promise<void> {
    for (const { handle } of done) handle.ack();
    for (const { handle } of later) handle.nak(AGAIN_AFTER_MS);
  }
}
