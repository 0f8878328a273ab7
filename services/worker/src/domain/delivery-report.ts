import { classifyReply, type ReplyClass } from './smtp-reply.ts';

export type ReportKind = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'not_a_dsn';

export interface ReportedRecipient {
  address: string;
  class: ReplyClass;
  suppress: boolean;
}

/** What a message at the bounce address says (RFC 3464). */
export interface DeliveryReport {
  report: ReportKind;
  /** Message-ID of the mail it is about, or that it answers. */
  original_message_id: string | null;
  recipients: ReportedRecipient[];
}

/** Actions of RFC 3464 §2.3.3, the most telling first. */
const ACTIONS: [string, ReportKind][] = [
  ['failed', 'failed'],
  ['delayed', 'delayed'],
  ['delivered', 'delivered'],
  ['relayed', 'relayed'],
  ['expanded', 'relayed'],
];

/** Reads a delivery status notification. Anything else, such as an automatic reply, is `not_a_dsn`. */
export function parseDeliveryReport(raw: string): DeliveryReport {
  const message = parsePart(raw.replace(/\r\n|\r/g, '\n'));
  const parts = message.headers.get('content-type')?.toLowerCase().startsWith('multipart/report')
    ? splitParts(message)
    : [];
  const status = parts.find((part) =>
    part.headers.get('content-type')?.toLowerCase().startsWith('message/delivery-status'),
  );
  if (!status)
    return {
      report: 'not_a_dsn',
      original_message_id: message.headers.get('in-reply-to') ?? null,
      recipients: [],
    };
  const groups = status.body
    .split(/\n{2,}/)
    .map((group) => parseHeaders(group))
    .filter((group) => group.has('final-recipient') || group.has('original-recipient'));
  const actions = groups.map((group) => group.get('action')?.toLowerCase() ?? '');
  const report = ACTIONS.find(([action]) => actions.includes(action))?.[1] ?? 'not_a_dsn';
  return { report, original_message_id: originalMessageId(parts), recipients: groups.map(recipientOf) };
}

interface Part {
  headers: Map<string, string>;
  body: string;
}

function parsePart(text: string): Part {
  const end = text.indexOf('\n\n');
  return end < 0
    ? { headers: parseHeaders(text), body: '' }
    : { headers: parseHeaders(text.slice(0, end)), body: text.slice(end + 2) };
}

function parseHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.replace(/\n[ \t]+/g, ' ').split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

function splitParts({ headers, body }: Part): Part[] {
  const boundary = /boundary="?([^";]+)"?/i.exec(headers.get('content-type') ?? '')?.[1];
  if (!boundary) return [];
  const [, ...pieces] = `\n${body}`.split(`\n--${boundary}`);
  return pieces
    .filter((piece) => !piece.startsWith('--'))
    .map((piece) => parsePart(piece.replace(/^[ \t]*\n/, '')));
}

/** The returned mail, or its headers, is the last part. */
function originalMessageId(parts: Part[]): string | null {
  for (const part of parts) {
    if (!/^(?:message\/rfc822|text\/rfc822-headers)/i.test(part.headers.get('content-type') ?? '')) continue;
    const id = parsePart(part.body).headers.get('message-id');
    if (id) return id;
  }
  return null;
}

function recipientOf(group: Map<string, string>): ReportedRecipient {
  const named = group.get('original-recipient') ?? group.get('final-recipient')!;
  const address = named.replace(/^[^;]*;/, '').trim();
  const action = group.get('action')?.toLowerCase();
  if (action === 'delayed') return { address, class: 'retry', suppress: false };
  if (action !== 'failed') return { address, class: 'accepted', suppress: false };
  const { class: kind, suppress } = classifyReply({ stage: 'rcpt', reply: evidence(group) });
  return { address, class: kind, suppress };
}

/** The SMTP reply when there is one, else the status alone, written as a reply. */
function evidence(group: Map<string, string>): string {
  const [type, text = ''] = (group.get('diagnostic-code') ?? '').split(/;(.*)/s);
  if (type?.trim().toLowerCase() === 'smtp' && /^\s*\d{3}/.test(text)) return text.trim();
  const status = group.get('status') ?? '5.0.0';
  return `${status[0] === '4' ? 450 : 550} ${status} ${text.trim()}`;
}
