import type { Logger } from 'pino';
import { followUp } from '../domain/follow-up.ts';
import type { MessageState } from '../domain/message-state.ts';
import { type Outcome, uncertain } from '../domain/outcome.ts';
import type {
  ChunkStore,
  ClaimedChunk,
  Mark,
  OutboxPayload,
  QueuedMessage,
  Settlement,
} from './chunk-store.ts';
import type { RetryClass, SenderMetrics } from './metrics.ts';
import { persist } from './persist.ts';
import { sendWindow, type WindowContext } from './window.ts';

/**
 * Messages that are marked before the first of them is sent. Together with CHUNKS_PER_LANE it bounds what a
 * crash can leave uncertain.
 */
export const WINDOW = 64;

/** Outcomes after which a message is tried again, as the metric names them. */
const RETRY_REASONS: Partial<Record<Outcome['kind'], RetryClass>> = {
  deferred: 'temporary',
  rate_limited: 'rate_limited',
  uncertain: 'connection_lost',
};

export interface ChunkRunDeps {
  store: ChunkStore;
  owner: string;
  leaseMs: number;
  log: Logger;
  metrics: SenderMetrics;
  providerName: string;
  providerId: string;
  /** Whether outbox rows are wanted, that is whether ClickHouse is configured. */
  outbox: boolean;
  /** Messages per window, fewer for slow lanes so that a pause is quick and leases stay short. */
  windowSize: number;
}

/** How a chunk run ended. */
export type ChunkEnd = 'finished' | 'released' | 'lost';

/**
 * Sends one claimed chunk, window after window: mark, send, settle. The mark of the next window and the
 * outcomes of the last one are one statement.
 */
export async function runChunk(
  chunk: ClaimedChunk,
  context: WindowContext,
  deps: ChunkRunDeps,
): Promise<ChunkEnd> {
  const messages = await deps.store.load(chunk, context.batch.accountId);
  const held = await holdUncertain(chunk, messages, context, deps);
  if (held === 'lost') return 'lost';
  const windows = split(held, deps.windowSize);
  let allowed = await mark(chunk, [], windows[0], context, deps);
  for (let i = 0; i < windows.length; i++) {
    if (allowed === 'lost') return 'lost';
    if (allowed === 'stopped') return release(chunk, deps);
    const window = windows[i]!;
    const outcomes = await sendWindow(window, context);
    await actOn(outcomes, window, context, deps);
    const next = context.stop.aborted ? undefined : windows[i + 1];
    const settled = settlements(window, outcomes, context);
    const complete = settled.length === window.length;
    allowed = await mark(chunk, settled, complete ? next : undefined, context, deps);
    if (allowed !== 'lost' && (!complete || (i + 1 < windows.length && next === undefined)))
      return release(chunk, deps);
  }
  if (allowed === 'lost') return 'lost';
  await persist(() => deps.store.finish(chunk, deps.owner), deps.log);
  return 'finished';
}

/**
 * Messages marked by an owner that died may have been sent. With an idempotent provider, or the policy
 * `resend`, they are sent again under the same id; otherwise they are settled as uncertain.
 */
async function holdUncertain(
  chunk: ClaimedChunk,
  messages: QueuedMessage[],
  context: WindowContext,
  deps: ChunkRunDeps,
): Promise<QueuedMessage[] | 'lost'> {
  if (context.provider.idempotent || context.batch.uncertainPolicy === 'resend') return messages;
  const doubtful = messages.filter((message) => message.position <= chunk.attemptedUpto);
  if (doubtful.length === 0) return messages;
  const outcomes = doubtful.map(() =>
    uncertain('sender_crashed', 'its sender ended between the mark and the outcome; it may have been sent'),
  );
  const result = await mark(chunk, settlements(doubtful, outcomes, context), undefined, context, deps);
  return result === 'lost' ? 'lost' : messages.filter((message) => message.position > chunk.attemptedUpto);
}

async function mark(
  chunk: ClaimedChunk,
  settled: Settlement[],
  next: QueuedMessage[] | undefined,
  context: WindowContext,
  deps: ChunkRunDeps,
): Promise<'marked' | 'stopped' | 'lost'> {
  if (settled.length === 0 && !next) return 'stopped';
  const request: Mark | null = next ? { upto: next.at(-1)!.position, count: next.length } : null;
  const payload = deps.outbox && settled.length ? outboxPayload(settled, context, deps) : null;
  const result = await context.lease.during(() =>
    persist(() => deps.store.settle(chunk, deps.owner, settled, request, payload, deps.leaseMs), deps.log),
  );
  if (!result.owned) {
    deps.metrics.leaseLost();
    deps.log.warn({ batch: chunk.batchId, chunk: chunk.no }, 'lease lost; nothing was written');
    return 'lost';
  }
  countSettled(settled, context, deps);
  return request && result.marked ? 'marked' : 'stopped';
}

/** One call a state and reason, not one a message. */
function countSettled(settled: Settlement[], { batch }: WindowContext, deps: ChunkRunDeps): void {
  const states = new Map<MessageState, number>();
  const retries = new Map<RetryClass, number>();
  for (const { followUp, outcome } of settled) {
    states.set(followUp.state, (states.get(followUp.state) ?? 0) + 1);
    const reason = followUp.state === 'deferred' ? RETRY_REASONS[outcome] : undefined;
    if (reason) retries.set(reason, (retries.get(reason) ?? 0) + 1);
  }
  for (const [state, count] of states) deps.metrics.settled(deps.providerName, batch.channel, state, count);
  for (const [reason, count] of retries) deps.metrics.retried(deps.providerName, reason, count);
}

async function release(chunk: ClaimedChunk, deps: ChunkRunDeps): Promise<ChunkEnd> {
  await persist(() => deps.store.release(chunk, deps.owner), deps.log);
  return 'released';
}

/** What outcomes mean beyond their message: dead addresses are suppressed, refused credentials pause the provider. */
async function actOn(
  outcomes: Outcome[],
  window: QueuedMessage[],
  context: WindowContext,
  deps: ChunkRunDeps,
): Promise<void> {
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i]!;
    if (outcome.kind === 'failed' && outcome.suppress) {
      await persist(
        () =>
          deps.store.suppress(
            context.batch.accountId,
            window[i]!.address,
            `${outcome.code}: ${outcome.detail}`,
          ),
        deps.log,
      );
    }
  }
  const refused = outcomes.find((outcome) => outcome.kind === 'credentials_refused');
  if (!refused) return;
  const reason = `The provider refused our credentials: ${refused.detail}`;
  deps.log.error({ provider: deps.providerName, reason }, 'provider paused');
  await persist(() => deps.store.pauseProvider(deps.providerId, reason), deps.log);
}

function settlements(
  window: QueuedMessage[],
  outcomes: Outcome[],
  { batch, provider, retry }: WindowContext,
): Settlement[] {
  const now = new Date();
  const settled: Settlement[] = [];
  for (let i = 0; i < window.length; i++) {
    const outcome = outcomes[i]!;
    const message = window[i]!;
    const next = followUp(
      outcome,
      message.attempts + 1,
      retry,
      batch.startedAt,
      now,
      Math.random(),
      provider.idempotent,
    );
    // Not handed over: it stays queued.
    if (next.state === 'queued') continue;
    settled.push({
      n: message.n,
      outcome: outcome.kind,
      attempt: message.attempts + (next.countsAsAttempt ? 1 : 0),
      followUp: next,
    });
  }
  return settled;
}

function outboxPayload(settled: Settlement[], { batch }: WindowContext, deps: ChunkRunDeps): OutboxPayload {
  return {
    accountId: batch.accountId,
    batchId: batch.id,
    provider: deps.providerName,
    channel: batch.channel,
    at: new Date().toISOString(),
    n: settled.map((one) => one.n),
    attempt: settled.map((one) => one.attempt),
    type: settled.map((one) => one.followUp.state),
    code: settled.map((one) => one.followUp.code ?? ''),
  };
}

function split(messages: QueuedMessage[], size: number): QueuedMessage[][] {
  const windows: QueuedMessage[][] = [];
  for (let at = 0; at < messages.length; at += size) windows.push(messages.slice(at, at + size));
  return windows;
}
