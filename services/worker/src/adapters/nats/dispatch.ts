import type { Logger } from 'pino';
import { sleep } from '../../lifecycle.ts';
import type { Announcements, Dispatcher, ReadyLane } from '../../pipeline/dispatcher.ts';
import { type NatsLink, RECONNECT_MS, WorkQueue } from './connection.ts';

const STREAM = 'BATCHSENDER_CHUNKS';
const SUBJECT = 'batchsender.chunks';
/** Hints are cheap and repeated: an old one is worth nothing. */
const MAX_AGE_MS = 60_000;
const ACK_WAIT_MS = 10_000;
/** Hints of one lane and round; as many senders wake at once. */
const HINTS_PER_LANE = 16;

/**
 * Dispatch through JetStream: a durable work queue on disk with one subject a lane. A message is a hint that
 * chunks of the lane are ready; the chunk rows are the truth, and the planner repeats hints until they are
 * taken. So losing the server, or all it stored, delays work by one planner round and loses nothing.
 */
export class NatsDispatch implements Dispatcher, Announcements {
  private readonly queue: WorkQueue;
  private readonly log: Logger;

  constructor(link: NatsLink, log: Logger) {
    this.queue = new WorkQueue(link, {
      stream: STREAM,
      subject: `${SUBJECT}.>`,
      consumer: 'senders',
      ackWaitMs: ACK_WAIT_MS,
      maxAgeMs: MAX_AGE_MS,
    });
    this.log = log;
  }

  async start(): Promise<void> {
    await this.queue
      .open()
      .catch((error: unknown) =>
        this.log.warn({ err: error }, 'NATS not available; looking at the chunk rows instead'),
      );
  }

  /** Takes one hint, or returns after `ms`; then the sender looks at the rows anyway. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    try {
      const { consumer } = await this.queue.open();
      const message = await Promise.race([
        consumer.next({ expires: Math.max(1000, ms) }),
        sleep(ms, signal).then(() => null),
      ]);
      message?.ack();
    } catch (error) {
      this.lost(error);
      await sleep(Math.min(ms, RECONNECT_MS), signal);
    }
  }

  async announce(ready: ReadyLane[]): Promise<void> {
    if (ready.length === 0) return;
    try {
      const { js } = await this.queue.open();
      const pending = await this.pendingByLane();
      for (const { lane, chunks } of ready) {
        const missing = Math.min(chunks, HINTS_PER_LANE) - (pending.get(lane) ?? 0);
        await Promise.all(
          Array.from({ length: Math.max(0, missing) }, () => js.publish(`${SUBJECT}.${lane}`)),
        );
      }
    } catch (error) {
      this.lost(error);
    }
  }

  async stop(): Promise<void> {}

  private async pendingByLane(): Promise<Map<string, number>> {
    const { manager } = await this.queue.open();
    const { state } = await manager.streams.info(STREAM, { subjects_filter: `${SUBJECT}.>` });
    return new Map(
      Object.entries(state.subjects ?? {}).map(([subject, count]) => [
        subject.slice(SUBJECT.length + 1),
        count,
      ]),
    );
  }

  private lost(error: unknown): void {
    this.log.warn({ err: error }, 'NATS failed; going on from the chunk rows');
    this.queue.lost();
  }
}
