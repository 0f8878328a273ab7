import { type Outcome, UNSENT } from '../domain/outcome.ts';
import type { RetryPolicy } from '../domain/retry.ts';
import type { BatchComposer } from './batch-composer.ts';
import type { BatchContent, QueuedMessage } from './chunk-store.ts';
import type { LaneLimiter, MessageKeys } from './lane-limiter.ts';
import type { LeaseClock } from './lease.ts';
import type { OutgoingMessage, Provider } from './provider.ts';
import type { Slots } from './slots.ts';

export interface WindowContext {
  batch: BatchContent;
  composer: BatchComposer;
  provider: Provider;
  limiter: LaneLimiter;
  slots: Slots;
  /** Takes the seconds each hand-over took. */
  observeSend(seconds: number): void;
  lease: LeaseClock;
  retry: RetryPolicy;
  /** Aborted on pause, cancel, stop and provider pause: what has not been handed over stays queued. */
  stop: AbortSignal;
}

/**
 * Sends the messages of one marked window and returns an outcome for each, in order. Messages start in
 * order, so those left unsent by a stop are the last ones.
 */
export async function sendWindow(messages: QueuedMessage[], context: WindowContext): Promise<Outcome[]> {
  const outcomes: Outcome[] = new Array(messages.length).fill(UNSENT);
  const inFlight: Promise<void>[] = [];
  let providerGone = false;
  if (context.limiter.unlimited) context.limiter.observe(messages.length);
  for (let i = 0; i < messages.length; i++) {
    const prepared = context.composer.outgoing(messages[i]!);
    if ('kind' in prepared) {
      outcomes[i] = prepared;
      continue;
    }
    if (
      !context.limiter.unlimited &&
      !(await context.limiter.take(context.stop, keysOf(prepared, messages.length - i)))
    )
      break;
    let placed = context.slots.tryTake();
    while (!placed && !context.stop.aborted) placed = await context.slots.turn();
    if (!placed) break;
    if (context.stop.aborted || !context.lease.valid || providerGone) {
      context.slots.give();
      break;
    }
    inFlight.push(
      handOver(prepared, context).then((outcome) => {
        outcomes[i] = outcome;
        // The rest would fare alike: it stays queued.
        providerGone ||= outcome.kind === 'unavailable' || outcome.kind === 'credentials_refused';
      }),
    );
  }
  await Promise.all(inFlight);
  return outcomes;
}

function keysOf(message: OutgoingMessage, want: number): MessageKeys {
  const at = message.to.lastIndexOf('@');
  return { senderAddress: message.from, recipientDomain: at < 0 ? null : message.to.slice(at + 1), want };
}

async function handOver(
  message: OutgoingMessage,
  { provider, slots, limiter, observeSend }: WindowContext,
): Promise<Outcome> {
  const began = performance.now();
  const outcome = await provider.send(message);
  observeSend((performance.now() - began) / 1000);
  slots.give();
  if (outcome.kind === 'rate_limited') limiter.slowDown(outcome.retryAfterMs);
  else if (outcome.kind === 'unavailable') limiter.waitForProvider(outcome.detail);
  else if (outcome.kind === 'accepted') limiter.providerAnswers();
  return outcome;
}
