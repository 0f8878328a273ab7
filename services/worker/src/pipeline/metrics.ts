import type { Channel } from '../domain/channel.ts';
import type { MessageState } from '../domain/message-state.ts';

/** What the sender counts; implemented with prom-client in http/metrics. */
export interface SenderMetrics {
  settled(provider: string, channel: Channel, state: MessageState): void;
  leaseLost(): void;
}
