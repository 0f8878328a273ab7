import { hostname } from 'node:os';
import type { SmtpStage } from '../../../domain/smtp-reply.ts';
import { Connection, ConnectionLost, type ConnectionOptions } from './connection.ts';
import type { Reply } from './replies.ts';

export interface SessionOptions extends ConnectionOptions {
  tls: 'starttls' | 'implicit' | 'opportunistic' | 'off';
  user: string | undefined;
  password: string | undefined;
  helo: string | undefined;
}

/** A message ready for the wire. */
export interface Mail {
  from: string;
  to: string;
  /** Headers and body with CRLF, dot-stuffed, ending with CRLF; without the final dot. */
  data: string;
  /** What follows `data` on the wire, with nothing to be stuffed. */
  attached: Buffer | null;
  needsSmtpUtf8: boolean;
  needs8BitMime: boolean;
}

/**
 * How handing a mail over ended: the reply that decided it, or that the connection was lost. `written` says
 * whether the server may have the whole message.
 */
export type Delivery = { reply: Reply; stage: SmtpStage } | { lost: ConnectionLost; written: boolean };

/** The server refused the session; no mail was involved. */
export class SessionRefused extends Error {
  override name = 'SessionRefused';
  readonly reply: Reply;
  readonly stage: SmtpStage;
  constructor(reply: Reply, stage: SmtpStage) {
    super(reply.text);
    this.reply = reply;
    this.stage = stage;
  }
}

export interface Capabilities {
  pipelining: boolean;
  eightBitMime: boolean;
  smtpUtf8: boolean;
  startTls: boolean;
  auth: string[];
}

const GREETING_TIMEOUT_MS = 30_000;
const COMMAND_TIMEOUT_MS = 60_000;
/** RFC 5321 §4.5.3.2.6 asks for 10 minutes; the mail is uncertain after this. */
const END_OF_DATA_TIMEOUT_MS = 120_000;

/** One SMTP session that delivers mail after mail. */
export class SmtpSession {
  readonly capabilities: Capabilities;
  private readonly connection: Connection;
  /** MAIL, RCPT and DATA of this mail are on the wire already, behind the end of the mail before. */
  private announced: Mail | null = null;
  /** A refused transaction is still open on the server. */
  private needsReset = false;

  private constructor(connection: Connection, capabilities: Capabilities) {
    this.connection = connection;
    this.capabilities = capabilities;
  }

  /** @throws ConnectionLost, SessionRefused */
  static async open(options: SessionOptions): Promise<SmtpSession> {
    const connection = await Connection.open({ ...options, implicitTls: options.tls === 'implicit' });
    try {
      await expectOk(connection.reply(GREETING_TIMEOUT_MS), 'connect');
      let capabilities = await ehlo(connection, options);
      if (options.tls === 'starttls' || (options.tls === 'opportunistic' && capabilities.startTls)) {
        connection.write('STARTTLS\r\n');
        await expectOk(connection.reply(COMMAND_TIMEOUT_MS), 'ehlo');
        await connection.startTls();
        capabilities = await ehlo(connection, options);
      }
      if (options.user) await authenticate(connection, capabilities, options.user, options.password ?? '');
      return new SmtpSession(connection, capabilities);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get usable(): boolean {
    return this.connection.usable;
  }

  /**
   * Delivers one mail. `peek` offers the mail that will come next, if there is one already: with PIPELINING its
   * commands go out together with the end of this one, so that a mail costs one round trip.
   */
  async deliver(mail: Mail, peek: () => Mail | null): Promise<Delivery> {
    let written = false;
    try {
      const refused = await this.envelope(mail);
      if (refused) return refused;
      const next = this.capabilities.pipelining ? peek() : null;
      written = true;
      this.announced = next;
      const end = `.\r\n${next ? this.commands(next) : ''}`;
      if (mail.attached) {
        this.connection.write(mail.data);
        this.connection.write(mail.attached);
        this.connection.write(end);
      } else this.connection.write(mail.data + end);
      return { reply: await this.connection.reply(END_OF_DATA_TIMEOUT_MS), stage: 'eod' };
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return { lost: error, written };
    }
  }

  async quit(): Promise<void> {
    if (!this.usable) return;
    this.connection.write('QUIT\r\n');
    await this.connection.reply(2000).catch(() => {});
    this.connection.close();
  }

  /** Null when the server waits for the message. */
  private async envelope(mail: Mail): Promise<Delivery | null> {
    if (!this.capabilities.pipelining) return this.envelopeStepwise(mail);
    if (this.announced !== mail)
      this.connection.write((this.needsReset ? 'RSET\r\n' : '') + this.commands(mail));
    if (this.needsReset && this.announced !== mail) await this.connection.reply(COMMAND_TIMEOUT_MS);
    this.announced = null;
    this.needsReset = false;
    const from = await this.connection.reply(COMMAND_TIMEOUT_MS);
    const to = await this.connection.reply(COMMAND_TIMEOUT_MS);
    const data = await this.connection.reply(COMMAND_TIMEOUT_MS);
    if (isOk(from) && isOk(to) && data.code === 354) return null;
    this.needsReset = true;
    if (data.code === 354) {
      // Nobody is left to deliver to, yet the server waits for a message: end it at once.
      this.connection.write('.\r\n');
      await this.connection.reply(COMMAND_TIMEOUT_MS);
    }
    if (!isOk(from)) return { reply: from, stage: 'mail' };
    return isOk(to) ? { reply: data, stage: 'data' } : { reply: to, stage: 'rcpt' };
  }

  private async envelopeStepwise(mail: Mail): Promise<Delivery | null> {
    const [from, to, data] = this.commandLines(mail);
    if (this.needsReset) await this.command('RSET');
    this.needsReset = true;
    const fromReply = await this.command(from!);
    if (!isOk(fromReply)) return { reply: fromReply, stage: 'mail' };
    const toReply = await this.command(to!);
    if (!isOk(toReply)) return { reply: toReply, stage: 'rcpt' };
    const dataReply = await this.command(data!);
    if (dataReply.code !== 354) return { reply: dataReply, stage: 'data' };
    this.needsReset = false;
    return null;
  }

  private command(line: string): Promise<Reply> {
    this.connection.write(`${line}\r\n`);
    return this.connection.reply(COMMAND_TIMEOUT_MS);
  }

  private commands(mail: Mail): string {
    return `${this.commandLines(mail).join('\r\n')}\r\n`;
  }

  private commandLines(mail: Mail): string[] {
    const body = mail.needs8BitMime && this.capabilities.eightBitMime ? ' BODY=8BITMIME' : '';
    const utf8 = mail.needsSmtpUtf8 ? ' SMTPUTF8' : '';
    return [`MAIL FROM:<${mail.from}>${body}${utf8}`, `RCPT TO:<${mail.to}>`, 'DATA'];
  }
}

function isOk(reply: Reply): boolean {
  return reply.code >= 200 && reply.code < 300;
}

async function expectOk(pending: Promise<Reply>, stage: SmtpStage): Promise<Reply> {
  const reply = await pending;
  if (!isOk(reply)) throw new SessionRefused(reply, stage);
  return reply;
}

async function ehlo(connection: Connection, options: SessionOptions): Promise<Capabilities> {
  const name = options.helo ?? (hostname().includes('.') ? hostname() : '[127.0.0.1]');
  connection.write(`EHLO ${name}\r\n`);
  const reply = await connection.reply(COMMAND_TIMEOUT_MS);
  if (!isOk(reply)) {
    connection.write(`HELO ${name}\r\n`);
    await expectOk(connection.reply(COMMAND_TIMEOUT_MS), 'ehlo');
    return { pipelining: false, eightBitMime: false, smtpUtf8: false, startTls: false, auth: [] };
  }
  const keywords = reply.text
    .split('\r\n')
    .slice(1)
    .map((line) => line.slice(4).trim().toUpperCase());
  const has = (keyword: string) =>
    keywords.some((line) => line === keyword || line.startsWith(`${keyword} `));
  const auth =
    keywords
      .find((line) => /^AUTH[ =]/.test(line))
      ?.split(/[ =]+/)
      .slice(1) ?? [];
  return {
    pipelining: has('PIPELINING'),
    eightBitMime: has('8BITMIME'),
    smtpUtf8: has('SMTPUTF8'),
    startTls: has('STARTTLS'),
    auth,
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function authenticate(
  connection: Connection,
  { auth }: Capabilities,
  user: string,
  password: string,
): Promise<void> {
  if (auth.includes('PLAIN') || auth.length === 0) {
    connection.write(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}\r\n`);
    await expectOk(connection.reply(COMMAND_TIMEOUT_MS), 'auth');
    return;
  }
  if (!auth.includes('LOGIN'))
    throw new SessionRefused(
      { code: 504, text: `504 the server offers only ${auth.join(', ')}, we speak PLAIN and LOGIN` },
      'auth',
    );
  connection.write('AUTH LOGIN\r\n');
  for (const secret of [user, password]) {
    const asked = await connection.reply(COMMAND_TIMEOUT_MS);
    if (asked.code !== 334) throw new SessionRefused(asked, 'auth');
    connection.write(`${base64(secret)}\r\n`);
  }
  await expectOk(connection.reply(COMMAND_TIMEOUT_MS), 'auth');
}
