import type { Channel } from '../domain/channel.ts';
import type { Attachment } from '../domain/content/attachment.ts';
import type { FollowUp } from '../domain/follow-up.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { ProviderLimits } from '../domain/rate.ts';
import type { MissingPolicy, TemplateSource } from '../domain/template/template.ts';

/** A lane: one provider configuration of one account, with work ready for it. */
export interface Lane {
  id: string;
  accountId: string;
  provider: ProviderConfig;
}

export interface ProviderConfig {
  id: string;
  name: string;
  kind: string;
  /** Plain and decrypted secret settings together; never logged. */
  settings: Record<string, unknown>;
  limits: ProviderLimits;
  /** Grows with every change, so that senders notice. */
  version: number;
}

/** Variables whose value, when a recipient has one, replaces a part of the message. */
export interface Overrides {
  subject?: string;
  from?: string;
  replyTo?: string;
}

export interface Tracking {
  clicks: boolean;
  opens: boolean;
  /** Campaign parameters for every web link. */
  utm?: Record<string, string>;
}

export type UncertainPolicy = 'resend' | 'hold';

/** What sending needs to know of a batch; the same for all its messages. */
export interface BatchContent {
  id: string;
  accountId: string;
  channel: Channel;
  sender: string | null;
  replyTo: string | null;
  template: TemplateSource;
  uncertainPolicy: UncertainPolicy;
  missingVariables: MissingPolicy;
  defaults: Record<string, unknown> | undefined;
  overrides: Overrides;
  tracking: Tracking;
  /** With List-Unsubscribe headers and `unsubscribe_url`. */
  unsubscribe: boolean;
  attachments: readonly Attachment[];
  timezone: string;
  startedAt: Date;
}

export interface ClaimedChunk {
  batchId: string;
  no: number;
  epoch: number;
  /** Messages up to this n (or position, for retry chunks) were marked by an earlier owner. */
  attemptedUpto: number;
  firstN: number;
  lastN: number;
  /** Positions of a retry chunk; null for a contiguous range. */
  ns: number[] | null;
}

export interface QueuedMessage {
  n: number;
  /** What `attemptedUpto` counts: n, or the 1-based position in a retry chunk. */
  position: number;
  address: string;
  /** JSON text of the variables. */
  vars: string | null;
  attempts: number;
  /** The address is on the account's suppression list. */
  suppressed: boolean;
}

export interface Settlement {
  n: number;
  outcome: Outcome['kind'];
  attempt: number;
  followUp: FollowUp;
}

/** Asks to mark the next window, in the same statement as a settlement or alone. */
export interface Mark {
  upto: number;
  count: number;
}

export type SettleResult =
  | { owned: false }
  /** `marked`: the next window may be sent; false when the batch is paused or cancelled. */
  | { owned: true; marked: boolean };

/** Chunk ownership: the truth about who may send what. Implemented on PostgreSQL. */
export interface ChunkStore {
  /** Lanes with ready chunks whose provider is active, the longest waiting first. */
  readyLanes(): Promise<Lane[]>;
  /** Takes the lane's next ready chunk, or null. However hints are duplicated, one owner holds a chunk. */
  claim(lane: string, owner: string, leaseMs: number): Promise<ClaimedChunk | null>;
  /** The chunk's messages without outcome, in order. */
  load(chunk: ClaimedChunk, accountId: string): Promise<QueuedMessage[]>;
  batch(batchId: string): Promise<BatchContent>;
  /**
   * Writes the outcomes of a window (none for a first mark), the counters and the outbox row, and marks the
   * next window, all in one transaction that does nothing when the lease was lost.
   */
  settle(
    chunk: ClaimedChunk,
    owner: string,
    settled: Settlement[],
    next: Mark | null,
    outbox: OutboxPayload | null,
    leaseMs: number,
  ): Promise<SettleResult>;
  /** The chunk has no unsettled message left. */
  finish(chunk: ClaimedChunk, owner: string): Promise<void>;
  /** Gives the chunk back between two windows: every message handed over has its outcome, none is in doubt. */
  release(chunk: ClaimedChunk, owner: string): Promise<void>;
  /** Extends the lease; false when it ran out or was taken over. */
  renew(chunk: ClaimedChunk, owner: string, leaseMs: number): Promise<boolean>;
  pauseProvider(providerId: string, reason: string): Promise<void>;
  suppress(accountId: string, address: string, reason: string): Promise<void>;
}

/** Events of one window, as columns. */
export interface OutboxPayload {
  accountId: string;
  batchId: string;
  provider: string;
  channel: string;
  at: string;
  n: number[];
  attempt: number[];
  type: string[];
  code: string[];
}
