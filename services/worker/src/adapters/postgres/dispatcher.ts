import type { Dispatcher } from '../../pipeline/dispatcher.ts';
import type { Notifications } from './notifications.ts';

/** Dispatch without NATS: LISTEN/NOTIFY wakes the senders, who look at the chunk rows anyway. */
export class PostgresDispatcher implements Dispatcher {
  private readonly notifications: Notifications;

  constructor(notifications: Notifications) {
    this.notifications = notifications;
  }

  async start(): Promise<void> {}

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return this.notifications.wait('chunk_ready', ms, signal);
  }

  async stop(): Promise<void> {}
}
