import type { Channel } from '../domain/channel.ts';
import type { Attachment } from '../domain/content/attachment.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { RenderedContent } from '../domain/template/template.ts';
import type { ProviderConfig } from './chunk-store.ts';

/** One message as a provider gets it. */
export interface OutgoingMessage {
  /** `<batch id>.<n>`: unique, stable over attempts, and echoed back in provider events. */
  id: string;
  batchId: string;
  n: number;
  channel: Channel;
  to: string;
  from: string | null;
  replyTo: string | null;
  /** Custom mail headers, rendered. */
  headers: Record<string, string> | undefined;
  vars: Record<string, unknown>;
  content: Omit<RenderedContent, 'headers'>;
  /** The same for the whole batch. */
  attachments: readonly Attachment[];
}

/** A way to deliver messages. One instance serves one provider configuration in one process. */
export interface Provider {
  /** Messages in flight at once when the configuration does not say. */
  readonly defaultConcurrency: number;
  /** Whether the same message may be handed over again under its id without being delivered twice. */
  readonly idempotent: boolean;
  /** Delivers one message. Never throws: every way it can end is an outcome. */
  send(message: OutgoingMessage): Promise<Outcome>;
  /** Proves that the configuration works without sending to a recipient. Throws AppError `provider_test_failed`. */
  test(): Promise<string>;
  close(): Promise<void>;
}

export type ProviderFactory = (config: ProviderConfig) => Provider;
