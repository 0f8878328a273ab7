import type { BatchAction, BatchState } from '../domain/batch-state.ts';
import type { Channel } from '../domain/channel.ts';
import type { Attachment } from '../domain/content/attachment.ts';
import type { MessageState, StateCounts } from '../domain/message-state.ts';
import type { ProviderLimits } from '../domain/rate.ts';
import type { QuietHours } from '../domain/schedule.ts';
import type { MissingPolicy, TemplateSource } from '../domain/template/template.ts';
import type {
  BatchContent,
  Overrides,
  QueuedMessage,
  Tracking,
  UncertainPolicy,
} from '../pipeline/chunk-store.ts';

import type { ImportOptions, ImportResult, Page } from './stores.ts';

export interface NewBatch {
  name: string;
  channel: Channel;
  providerId: string;
  from: string | null;
  replyTo: string | null;
  template: TemplateSource;
  scheduledAt: Date | null;
  options: BatchOptions;
  attachments: Attachment[];
}

export const RETRY_STATES = ['failed', 'bounced', 'uncertain'] as const;
export type RetryState = (typeof RETRY_STATES)[number];

export interface RetryRequest {
  /** Messages in these states are tried again, as if for the first time. */
  states: RetryState[];
  /** Everything not yet sent goes through this provider from now on. */
  providerId: string | null;
}

export interface BatchOptions {
  /** Nothing is sent in these hours. */
  quietHours?: QuietHours;
  /** A batch whose time was missed by more than this is held, not sent late. */
  lateHours?: number;
  uncertainPolicy?: UncertainPolicy;
  missingVariables?: MissingPolicy;
  defaults?: Record<string, unknown>;
  overrides?: Overrides;
  tracking?: Tracking;
  unsubscribe?: boolean;
  timezone?: string;
}

export interface BatchView {
  id: string;
  name: string;
  channel: Channel;
  provider: {
    id: string;
    name: string;
    kind: string;
    state: string;
    pauseReason: string | null;
    limits: ProviderLimits;
  };
  from: string | null;
  replyTo: string | null;
  state: BatchState;
  total: number;
  counts: StateCounts;
  scheduledAt: Date | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  note: string | null;
}

export interface AttachmentSummary {
  filename: string;
  contentType: string;
  inline: boolean;
  bytes: number;
}

export interface BatchDetail extends BatchView {
  template: TemplateSource;
  attachments: AttachmentSummary[];
  /** The last one, for the recipients that were there then. */
  preflight: PreflightMark | null;
  options: BatchOptions;
  /** Messages settled per second over the last seconds; 0 when nothing moves. */
  settledRecently: number;
  nextRetryAt: Date | null;
}

export interface PreflightMark {
  at: string;
  ok: boolean;
  total: number;
}

export interface MessageView {
  n: number;
  id: string;
  address: string;
  state: MessageState;
  /** It bounced for a reason that passes. */
  temporary: boolean;
  attempts: number;
  providerMessageId: string | null;
  code: string | null;
  detail: string | null;
  updatedAt: Date | null;
}

export interface AttemptHistory {
  tried: { at: Date; outcome: string; code: string | null; detail: string | null }[];
  nextRetryAt: Date | null;
}

/** A new batch with all that is to happen at its creation. */
export interface Creation {
  batch: NewBatch;
  /** As an upload would bring them; null when they come later. */
  recipients: { bytes: AsyncIterable<Uint8Array>; options: ImportOptions } | null;
  send: boolean;
  /** Before it is sent, when there is something to check. @throws AppError when it must not be */
  checkSend: ((batch: BatchDetail) => void) | null;
}

export interface CreatedBatch {
  batch: BatchDetail;
  imported: ImportResult | null;
}

/** An Idempotency-Key with the SHA-256 of what was asked under it. */
export interface RequestKey {
  key: string;
  bodyHash: Buffer;
}

/** What becomes of a request with a key: done now, done before, running elsewhere, or the key stands for another. */
export type RequestOutcome =
  | { is: 'new' | 'answered'; status: number; body: unknown }
  | { is: 'running' }
  | { is: 'other-request' };

export interface BatchCreation {
  /** All of it or nothing. @throws AppError `recipients_*`, `batch_empty` */
  create(accountId: string, creation: Creation): Promise<CreatedBatch>;
  /** The answer that is kept under a key, or that it is another request's; null while there is none. */
  recall(accountId: string, key: RequestKey): Promise<RequestOutcome | null>;
  /** Creates unless the key's request was done before; its answer is kept for 24 hours. @throws as `create` */
  once(
    accountId: string,
    key: RequestKey,
    creation: Creation,
    answer: (created: CreatedBatch) => { status: number; body: unknown },
  ): Promise<RequestOutcome>;
}

export interface BatchStore {
  /** @throws AppError `batch_not_found` */
  get(accountId: string, id: string): Promise<BatchDetail>;
  list(accountId: string, page: Page): Promise<BatchView[]>;
  messages(accountId: string, id: string, state: MessageState | null, page: Page): Promise<MessageView[]>;
  /** Attempts of a message that did not end in acceptance, and when it is due again. */
  attempts(batchId: string, n: number): Promise<AttemptHistory>;
  /** Sender processes that were heard of in the last seconds. */
  liveSenders(): Promise<number>;
  /** @throws AppError `batch_state_conflict`, `batch_empty` */
  act(accountId: string, id: string, action: BatchAction): Promise<void>;
  /** Returns how many messages get another round. @throws AppError `batch_state_conflict` */
  retry(accountId: string, id: string, request: RetryRequest): Promise<number>;
  queue(accountId: string): Promise<QueueView[]>;
  /** What is sent. @throws AppError `batch_not_found` */
  content(accountId: string, id: string): Promise<BatchContent>;
  /** Recipients without outcome in pages, the suppressed ones too. */
  recipients(id: string, accountId: string): AsyncIterable<QueuedMessage[]>;
  /** Messages of a provider that went out in the last 24 hours. */
  sentLastDay(providerId: string): Promise<number>;
  keepPreflight(id: string, mark: PreflightMark): Promise<void>;
  /** A draft and its recipients go. @throws AppError `batch_state_conflict` */
  remove(accountId: string, id: string): Promise<void>;
}

export interface QueueView {
  provider: string;
  providerId: string;
  state: string;
  pauseReason: string | null;
  batches: number;
  queued: number;
  sending: number;
  deferred: number;
  oldestReadyAt: Date | null;
}
