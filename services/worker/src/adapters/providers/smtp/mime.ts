import { randomBytes } from 'node:crypto';
import { parseEmail } from '../../../domain/address/email.ts';
import type { OutgoingMessage } from '../../../pipeline/provider.ts';
import { type AttachedParts, attachedParts } from './attached-parts.ts';
import { type DkimOptions, dkimSignature } from './dkim.ts';
import { encodeWord, foldText, quotedPrintable } from './mime-encoding.ts';

/** Everything of a mail that is the same for the whole batch. */
interface MailFrame {
  /** From, Reply-To, MIME-Version. */
  headers: string;
  envelopeFrom: string;
  domain: string;
  utf8Sender: boolean;
  boundary: string;
  attached: AttachedParts | null;
}

export interface ComposedMail {
  from: string;
  data: string;
  /** Files, the same bytes for every mail of the batch; they follow `data`. */
  attached: Buffer | null;
  needs8BitMime: boolean;
  needsSmtpUtf8: boolean;
}

/** RFC 5322 §2.1.1: a line has at most 998 octets. */
const MAX_LINE_OCTETS = 998;
const FRAMES = 64;
/** Mails with files take much room in a frame; fewer of those are kept. */
const FRAMES_WITH_FILES = 4;

/**
 * Writes mails (RFC 5322, MIME). What is the same for a batch is made once; a message costs encoding its own
 * parts only.
 */
export class MailComposer {
  private readonly frames = new Map<string, MailFrame>();
  private date = { second: 0, text: '' };
  private readonly dkim: DkimOptions | null;
  private readonly echo: ((id: string) => string) | undefined;

  /** @param echo a header with the message's id, for a provider that gives it back */
  constructor(dkim: DkimOptions | null = null, echo?: (id: string) => string) {
    this.dkim = dkim;
    this.echo = echo;
  }

  /** @param allow8Bit the server takes 8BITMIME, so text that is not ASCII may go as it is */
  compose(message: OutgoingMessage, allow8Bit: boolean): ComposedMail {
    const frame = this.frame(message);
    const { subject = '', html, text } = message.content;
    const parts = [
      ...(text !== undefined ? [part('text/plain', text, allow8Bit)] : []),
      ...(html !== undefined ? [part('text/html', html, allow8Bit)] : []),
    ];
    const needsSmtpUtf8 = frame.utf8Sender || !isAscii(message.to);
    const head = `${frame.headers}To: <${message.to}>\r\nSubject:${headerValue(subject, 'Subject:'.length)}\r\nMessage-ID: <${message.id}@${frame.domain}>\r\nDate: ${this.dateNow()}\r\n${this.echo ? this.echo(message.id) : ''}${message.headers ? customHeaders(message.headers) : ''}`;
    const content = parts.length === 1 ? single(parts[0]!) : multipart(parts, frame.boundary);
    const [headers, body] = frame.attached ? frame.attached.around(...content) : content;
    const signature = this.dkim
      ? dkimSignature(head + headers, body, this.dkim, Math.floor(Date.now() / 1000), frame.attached?.text)
      : '';
    const data = dotStuffed(`${signature}${head}${headers}\r\n${body}`);
    return {
      from: frame.envelopeFrom,
      data,
      attached: frame.attached?.bytes ?? null,
      needs8BitMime: needsSmtpUtf8 || parts.some((one) => one.eightBit),
      needsSmtpUtf8,
    };
  }

  private frame(message: OutgoingMessage): MailFrame {
    const key = `${message.batchId}\n${message.from}\n${message.replyTo}`;
    const known = this.frames.get(key);
    if (known) return known;
    const room = message.attachments.length ? FRAMES_WITH_FILES : FRAMES;
    if (this.frames.size >= room) this.frames.clear();
    const frame = makeFrame(message);
    this.frames.set(key, frame);
    return frame;
  }

  private dateNow(): string {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.date.second)
      this.date = { second, text: new Date(second * 1000).toUTCString().replace('GMT', '+0000') };
    return this.date.text;
  }
}

function makeFrame(message: OutgoingMessage): MailFrame {
  const from = parseEmail(message.from ?? '');
  const address = from.valid ? from.address : '';
  const replyTo = message.replyTo ? `Reply-To: ${mailbox(message.replyTo)}\r\n` : '';
  return {
    headers: `From: ${mailbox(message.from ?? '')}\r\n${replyTo}MIME-Version: 1.0\r\nX-Batch: ${message.batchId}\r\n`,
    envelopeFrom: address,
    domain: from.valid ? from.domain : 'batchsender.invalid',
    utf8Sender: !isAscii(address),
    boundary: boundary(),
    attached: message.attachments.length ? attachedParts(message.attachments, boundary) : null,
  };
}

/** Random, so that no value of a recipient can hold it and smuggle a part in. */
function boundary(): string {
  return `=_${randomBytes(15).toString('base64url')}`;
}

function customHeaders(headers: Record<string, string>): string {
  let text = '';
  for (const name in headers) text += `${name}:${headerValue(headers[name]!, name.length + 1)}\r\n`;
  return text;
}

/** `Name <address>` as a header value. */
function mailbox(value: string): string {
  const parsed = parseEmail(value);
  if (!parsed.valid) return '';
  if (!parsed.display_name) return parsed.address;
  const name = isAscii(parsed.display_name)
    ? `"${parsed.display_name.replace(/["\\]/g, '\\$&')}"`
    : encodeWord(parsed.display_name).join('\r\n ');
  return `${name} <${parsed.address}>`;
}

/** With its leading space, folded. */
function headerValue(text: string, nameLength: number): string {
  if (!isAscii(text) || /=\?.*\?=/.test(text)) return ` ${encodeWord(text).join('\r\n ')}`;
  return foldText(text, nameLength);
}

interface Part {
  headers: string;
  body: string;
  eightBit: boolean;
}

function part(type: string, text: string, allow8Bit: boolean): Part {
  const lines = text.replace(/\r\n|\r|\n/g, '\r\n');
  const ascii = isAscii(lines);
  const asIs = (ascii || allow8Bit) && !lines.includes('\0') && !hasLongLine(lines, ascii);
  const body = asIs ? lines : quotedPrintable(lines);
  const encoding = !asIs ? 'quoted-printable' : ascii ? '7bit' : '8bit';
  return {
    headers: `Content-Type: ${type}; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n`,
    body,
    eightBit: encoding === '8bit',
  };
}

function single({ headers, body }: Part): [string, string] {
  return [headers, body.endsWith('\r\n') ? body : `${body}\r\n`];
}

/** Headers and body of the parts together; the line break before a boundary is the boundary's. */
function multipart(parts: Part[], boundary: string): [string, string] {
  const body = parts.map((one) => `--${boundary}\r\n${one.headers}\r\n${one.body}\r\n`).join('');
  return [`Content-Type: multipart/alternative; boundary="${boundary}"\r\n`, `${body}--${boundary}--\r\n`];
}

/** RFC 5321 §4.5.2. */
function dotStuffed(body: string): string {
  return body.includes('\r\n.') ? body.replaceAll('\r\n.', '\r\n..') : body;
}

function hasLongLine(text: string, ascii: boolean): boolean {
  const limit = ascii ? MAX_LINE_OCTETS : Math.floor(MAX_LINE_OCTETS / 4);
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\r\n', start);
    const length = (end < 0 ? text.length : end) - start;
    if (length > limit) return true;
    if (end < 0) return false;
    start = end + 2;
  }
  return false;
}

export function isAscii(text: string): boolean {
  return !/[\u0080-\uffff]/.test(text);
}
