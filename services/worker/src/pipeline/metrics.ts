import type { Channel } from '../domain/channel.ts';
import type { MessageState } from '../domain/message-state.ts';
import type { ProviderEvent } from '../domain/provider-event.ts';

/** Why a message is to be tried again. */
export type RetryClass = 'temporary' | 'rate_limited' | 'connection_lost';

/** What the sender counts; implemented with prom-client in metrics/. */
export interface SenderMetrics {
  settled(provider: string, channel: Channel, state: MessageState, count: number): void;
  retried(provider: string, reason: RetryClass, count: number): void;
  leaseLost(): void;
  /** Takes the seconds of each hand-over of a lane; bound once a lane, since it is called for every message. */
  sendTimer(provider: string): (seconds: number) => void;
}

/** What the planner counts. */
export interface PlannerMetrics {
  leasesExpired(count: number): void;
}

/** What comes back from providers. */
export interface EventMetrics {
  eventReceived(type: ProviderEvent['type']): void;
  /** Events whose message is not ours or does not exist. */
  eventsUnmatched(count: number): void;
}

/** Speed of one lane of this process; asked for at every scrape. */
export interface LaneRate {
  provider: string;
  /** Messages per second that are allowed now; null without a limit. */
  allowed: number | null;
  /** The configured limit. */
  target: number | null;
}
