import type { Channel } from '../domain/channel.ts';
import type { EventFormatName } from '../domain/events/formats.ts';
import type { ProviderLimits } from '../domain/rate.ts';
import type { RecipientOptions } from '../domain/recipients/reader.ts';
import type { RejectedRow } from '../domain/recipients/reason.ts';
import type { ProviderConfig } from '../pipeline/chunk-store.ts';

/** Who asks. Every query below is scoped by its account. */
export interface Identity {
  accountId: string;
  /** Name of the key, or e-mail of the user. */
  name: string;
  by: 'key' | 'session';
}

export interface AccountStore {
  byKey(key: string): Promise<Identity | null>;
  bySession(token: string): Promise<Identity | null>;
  /** A session token, or null when address or password are wrong. */
  logIn(email: string, password: string): Promise<string | null>;
  logOut(token: string): Promise<void>;
}

export interface ProviderSummary {
  id: string;
  name: string;
  kind: string;
  /** Secrets are shown as `***`. */
  settings: Record<string, unknown>;
  limits: ProviderLimits;
  state: 'active' | 'paused';
  pauseReason: string | null;
  /** It was told how events from its own provider are proved. */
  takesEvents: boolean;
  createdAt: Date;
}

export interface NewProvider {
  name: string;
  kind: string;
  settings: Record<string, unknown>;
  secrets: Record<string, unknown>;
  limits: ProviderLimits;
}

/** A provider that takes events: in which format, and what proves them. */
export interface EventSource {
  accountId: string;
  format: EventFormatName;
  secrets: string[];
  publicKeys: string[];
  topics: string[];
}

/** Which events came before: providers send them at least once. */
export interface SeenEvents {
  /** Those of the ids that did. */
  among(providerId: string, ids: string[]): Promise<Set<string>>;
  remember(providerId: string, ids: string[]): Promise<void>;
}

export interface ProviderStore {
  /** @throws AppError `provider_exists` */
  create(accountId: string, provider: NewProvider): Promise<ProviderSummary>;
  list(accountId: string, page: Page): Promise<ProviderSummary[]>;
  /** By id or name. @throws AppError `provider_not_found` */
  find(accountId: string, idOrName: string): Promise<ProviderSummary>;
  config(accountId: string, id: string): Promise<ProviderConfig>;
  /** Null when the account has none, or several and none is named "default". */
  defaultId(accountId: string, channel: Channel): Promise<string | null>;
  /** @throws AppError `provider_in_use` while batches wait for it */
  remove(accountId: string, id: string): Promise<void>;
  resume(accountId: string, id: string): Promise<ProviderSummary>;
  /** The provider that events are posted for, by id, when it takes any; across accounts, since the signature is the proof. */
  forEvents(id: string): Promise<EventSource | null>;
  /** Events came for this provider just now. */
  eventsSeen(id: string): Promise<void>;
  mockMessages(accountId: string, id: string, limit: number): Promise<unknown[]>;
}

export interface Page {
  /** Key after which the page starts. */
  cursor: string | null;
  limit: number;
}

export interface ImportResult {
  id: string;
  accepted: number;
  rejected: number;
  duplicates: number;
  /** Recipients that were there and got the values of this file (duplicates: last). */
  updated: number;
  suppressed: number;
  /** The same file was uploaded before; this is what came of it then. */
  repeated: boolean;
  /** The first rejected rows; all of them by GET /api/batches/:id/imports/:import/rejects. */
  firstRejected: RejectedRow[];
  columns: string[];
  encoding: string;
  delimiter: string | null;
  format: string;
}

/** Which of several rows with one address counts. */
export const DUPLICATE_POLICIES = ['first', 'last', 'all'] as const;
export type DuplicatePolicy = (typeof DUPLICATE_POLICIES)[number];

export interface ImportOptions extends RecipientOptions {
  duplicates?: DuplicatePolicy;
}

export interface ImportStore {
  /** All or nothing. @throws AppError `recipients_*`, `batch_state_conflict` */
  import(
    accountId: string,
    batchId: string,
    bytes: AsyncIterable<Uint8Array>,
    options: ImportOptions,
  ): Promise<ImportResult>;
  /** Rows that are not in the batch, by reason. */
  rejectedByReason(batchId: string): Promise<Record<string, number>>;
  rejects(accountId: string, batchId: string, importId: string): AsyncIterable<RejectedRow>;
}

export interface LinkRecipient {
  accountId: string;
  address: string;
  /** On the account's suppression list, for whatever reason. */
  unsubscribed: boolean;
}

/** What recipients do with links; the signature in the link is the proof, so no account asks. */
export interface LinkActions {
  recipient(batchId: string, n: number): Promise<LinkRecipient | null>;
  unsubscribe(batchId: string, n: number, recipient: LinkRecipient): Promise<void>;
  record(batchId: string, n: number, type: 'clicked' | 'opened', target: string): Promise<void>;
}

export interface EventStore {
  /** Counts of events by type and minute or hour. */
  events(accountId: string, query: EventQuery): Promise<EventCount[]>;
}

export interface EventQuery {
  batchId: string | null;
  from: Date;
  to: Date;
  /** Seconds of one bucket. */
  stepSeconds: number;
}

export interface EventCount {
  at: string;
  type: string;
  count: number;
}
