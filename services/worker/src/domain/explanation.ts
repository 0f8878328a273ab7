import type { BatchState } from './batch-state.ts';
import { type MessageState, openOf, type StateCounts } from './message-state.ts';

/** A thing that happened, in words. */
export interface Happening {
  at: string;
  text: string;
}

/** What became of a batch or a message, what it waits for, and what to do: for people. */
export interface Explanation {
  summary: string;
  /** Null when nothing is waited for. */
  waitsFor: string | null;
  advice: string[];
  timeline: Happening[];
}

export interface BatchFacts {
  id: string;
  name: string;
  state: BatchState;
  total: number;
  counts: StateCounts;
  note: string | null;
  provider: { name: string; state: string; pauseReason: string | null };
  /** What limits its speed, as the batch page says it. */
  limitedBy: string | null;
  perSecond: number;
  etaSeconds: number | null;
  nextRetryAt: Date | null;
  scheduledAt: Date | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** The commonest reasons among the failed, bounced and uncertain messages that were looked at. */
  reasons: { code: string; detail: string; count: number }[];
  /** Sender processes alive. */
  senders: number;
}

const MAX_REASONS = 3;

export function explainBatch(batch: BatchFacts): Explanation {
  return {
    summary: batchSummary(batch),
    waitsFor: batchWaitsFor(batch),
    advice: batchAdvice(batch),
    timeline: batchTimeline(batch),
  };
}

function batchSummary({ name, state, total, counts, perSecond, etaSeconds }: BatchFacts): string {
  const open = openOf(counts);
  const done = total - open;
  const parts = (Object.keys(counts) as MessageState[])
    .filter((one) => counts[one] > 0)
    .map((one) => `${number(counts[one])} ${one}`);
  const how = parts.length ? `: ${parts.join(', ')}` : '';
  switch (state) {
    case 'draft':
      return `"${name}" is a draft with ${number(total)} recipients; nothing has been sent.`;
    case 'scheduled':
      return `"${name}" with ${number(total)} recipients is scheduled; nothing has been sent.`;
    case 'completed':
      return `"${name}" is finished. All ${number(total)} messages have an outcome${how}.`;
    case 'cancelled':
      return `"${name}" was cancelled after ${number(done - counts.cancelled)} of ${number(total)} messages${how}.`;
    default: {
      const pace = perSecond > 0 ? ` at ${number(perSecond)} a second` : '';
      const eta = etaSeconds === null ? '' : `; about ${duration(etaSeconds)} left`;
      return `"${name}" is ${state}: ${number(done)} of ${number(total)} messages are done${pace}${eta}${how}.`;
    }
  }
}

function batchWaitsFor(batch: BatchFacts): string | null {
  const { state, counts, note, provider, scheduledAt, nextRetryAt } = batch;
  const inQueue = counts.queued + counts.sending;
  if (state === 'draft') return batch.total === 0 ? 'recipients, and then to be sent' : 'somebody to send it';
  if (state === 'scheduled') return `its time, ${scheduledAt?.toISOString()}`;
  if (state === 'paused') return note ?? 'somebody to resume it';
  if (state !== 'sending') return null;
  if (provider.state === 'paused')
    return `its provider ${provider.name}, which is paused: ${provider.pauseReason}`;
  if (note) return note;
  if (batch.senders === 0) return 'a sender: no process with that role is alive';
  if (inQueue === 0 && counts.deferred > 0)
    return `the next try of ${number(counts.deferred)} messages${nextRetryAt ? ` at ${nextRetryAt.toISOString()}` : ''}`;
  if (batch.limitedBy) return `its turn: ${batch.limitedBy}`;
  return inQueue > 0
    ? 'its turn: other batches are before it, or the provider is slow'
    : 'the planner to finish it';
}

function batchAdvice(batch: BatchFacts): string[] {
  const { id, state, counts, provider, reasons } = batch;
  const advice: string[] = [];
  if (state === 'draft' && batch.total > 0) advice.push(`Send it: POST /api/batches/${id}/send`);
  if (state === 'paused') advice.push(`Go on with: batchsender batch resume ${id}`);
  if (provider.state === 'paused' && openOf(counts) > 0)
    advice.push(`Mend the cause, then: batchsender provider resume ${provider.name}`);
  if (batch.senders === 0 && state === 'sending') advice.push('Start one with: batchsender up');
  for (const { code, detail, count } of reasons.slice(0, MAX_REASONS))
    advice.push(`${number(count)} × ${code}: ${remedyFor(code, detail)}`);
  if (counts.failed + counts.bounced > 0 && state === 'completed')
    advice.push(`Once that is mended: batchsender batch retry ${id} --state failed`);
  if (counts.uncertain > 0)
    advice.push(
      `${number(counts.uncertain)} messages may or may not have been delivered; look them up at the provider, then: batchsender batch retry ${id} --state uncertain`,
    );
  return advice;
}

function batchTimeline({ createdAt, startedAt, finishedAt, state, total }: BatchFacts): Happening[] {
  const happened: [Date | null, string][] = [
    [createdAt, 'created'],
    [startedAt, `sending of ${number(total)} messages began`],
    [finishedAt, state === 'cancelled' ? 'cancelled' : 'finished'],
  ];
  return happened.flatMap(([at, text]) => (at ? [{ at: at.toISOString(), text }] : []));
}

export interface MessageFacts {
  id: string;
  address: string;
  state: MessageState;
  /** It bounced for a reason that passes. */
  temporary: boolean;
  attempts: number;
  code: string | null;
  detail: string | null;
  providerMessageId: string | null;
  updatedAt: Date | null;
  nextRetryAt: Date | null;
  /** Those that did not end in acceptance. */
  tried: { at: Date; outcome: string; code: string | null; detail: string | null }[];
  batch: BatchFacts;
}

export function explainMessage(message: MessageFacts): Explanation {
  const { state, batch } = message;
  return {
    summary: messageSummary(message),
    waitsFor:
      state === 'deferred'
        ? `its next try${message.nextRetryAt ? ` at ${message.nextRetryAt.toISOString()}` : ''}`
        : state === 'queued' || state === 'sending'
          ? (batchWaitsFor(batch) ?? 'its turn')
          : null,
    advice: messageAdvice(message),
    timeline: messageTimeline(message),
  };
}

const SAID: Record<MessageState, string> = {
  queued: 'waits in the queue; it has not been handed to the provider',
  sending: 'is being handed to the provider',
  deferred: 'was refused for now and will be tried again',
  sent: 'was taken over by the provider',
  delivered: 'was delivered, says the provider',
  bounced: 'bounced: the provider took it over, and it came back',
  complained: 'was delivered, and the recipient complained about it',
  failed: 'failed for good',
  suppressed: 'was not sent: its address is on the suppression list',
  cancelled: 'was not sent: its batch was cancelled',
  uncertain: 'may or may not have been delivered: its sender died before it could write the outcome',
};

function messageSummary({
  id,
  address,
  state,
  attempts,
  code,
  detail,
  providerMessageId,
  batch,
}: MessageFacts): string {
  const tries = attempts > 1 ? ` after ${attempts} attempts` : '';
  const reason = code ? ` (${code}${detail ? `: ${detail}` : ''})` : '';
  const known = providerMessageId ? ` ${batch.provider.name} knows it as ${providerMessageId}.` : '';
  return `Message ${id} to ${address} ${SAID[state]}${tries}${reason}.${known}`;
}

function messageAdvice({ state, temporary, code, detail, batch }: MessageFacts): string[] {
  if (state === 'failed' && code)
    return [remedyFor(code, detail ?? ''), `Then: batchsender batch retry ${batch.id} --state failed`];
  if (state === 'uncertain')
    return [
      `Look it up at ${batch.provider.name} by recipient and time.`,
      `To send it again, though it may arrive twice: batchsender batch retry ${batch.id} --state uncertain`,
    ];
  if (state === 'bounced' && temporary)
    return [
      `The reason may pass, the address is not suppressed: batchsender batch retry ${batch.id} --state bounced`,
    ];
  if (state === 'bounced') return ['A permanent bounce suppresses the address; nothing more is sent to it.'];
  if (state === 'complained') return ['The address is suppressed; nothing more is sent to it.'];
  if (state === 'queued' || state === 'sending') return batchAdvice(batch).slice(0, 1);
  return [];
}

function messageTimeline({ tried, state, updatedAt, batch }: MessageFacts): Happening[] {
  const timeline = tried.map(({ at, outcome, code, detail }) => ({
    at: at.toISOString(),
    text: `${outcome}${code ? `: ${code}` : ''}${detail ? `, ${detail}` : ''}`,
  }));
  const accepted: MessageState[] = ['sent', 'delivered', 'bounced', 'complained'];
  if (accepted.includes(state) && updatedAt) timeline.push({ at: updatedAt.toISOString(), text: state });
  return [...batchTimeline(batch).slice(0, 2), ...timeline].sort((a, b) => a.at.localeCompare(b.at));
}

/** What to do about a reason; the provider's own words go along. */
function remedyFor(code: string, detail: string): string {
  const said = detail ? ` ("${detail}")` : '';
  if (/^template|variable|missing/.test(code)) return `recipients lack a variable${said}; give it a default`;
  if (/^(550|5\.1\.)/.test(code)) return `the address does not exist${said}; clean the list`;
  if (/^5\.7\./.test(code))
    return `the content or the sender is refused${said}; check SPF, DKIM, DMARC with: batchsender doctor sender-domains`;
  if (/^(552|5\.2\.2)/.test(code)) return `the mailbox is full${said}`;
  if (code === 'gave_up') return `refused for now too often${said}; ask the provider why, or send slower`;
  if (/^http_4/.test(code)) return `the provider does not accept the request${said}; check its settings`;
  if (code === 'sender_crashed') return `a sender died${said}`;
  if (/^mock_/.test(code)) return `the mock provider was told so${said}`;
  return `the provider refused${said || ' it'}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
