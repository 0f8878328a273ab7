import { z } from 'zod';
import { AppError } from '../../../domain/errors.ts';
import type { EventFormatName } from '../../../domain/events/formats.ts';
import {
  accepted,
  credentialsRefused,
  deferred,
  failed,
  type Outcome,
  rateLimited,
  unavailable,
  uncertain,
} from '../../../domain/outcome.ts';
import { classifyReply, type SmtpStage } from '../../../domain/smtp-reply.ts';
import type { ProviderConfig } from '../../../pipeline/chunk-store.ts';
import type { OutgoingMessage, Provider } from '../../../pipeline/provider.ts';
import { checkEventSettings, EVENT_SETTINGS } from '../event-settings.ts';
import { dkimOptions } from './dkim.ts';
import { MailComposer } from './mime.ts';
import type { Reply } from './replies.ts';
import { SessionRefused } from './session.ts';
import { type PoolResult, SessionPool } from './session-pool.ts';

function isPrivateKey(pem: string): boolean {
  try {
    dkimOptions('', '', pem);
    return true;
  } catch {
    return false;
  }
}

export const SmtpSettings = z
  .strictObject({
    host: z.string().min(1).describe('host name or address of the server'),
    port: z.coerce.number().int().min(1).max(65535).default(587).describe('port'),
    tls: z
      .enum(['starttls', 'implicit', 'opportunistic', 'off'])
      .default('opportunistic')
      .describe('starttls and implicit insist on encryption'),
    verifyCertificate: z
      .stringbool()
      .or(z.boolean())
      .default(true)
      .describe('refuse certificates that do not verify'),
    user: z.string().optional().describe('user name'),
    password: z.string().optional().describe('password (kept encrypted)'),
    connections: z.coerce.number().int().min(1).max(100).default(10).describe('sessions at once'),
    dkimDomain: z
      .string()
      .optional()
      .describe('domain that signs (DKIM); with dkimSelector and dkimPrivateKey'),
    dkimSelector: z.string().optional().describe('selector of the DKIM key'),
    dkimPrivateKey: z
      .string()
      .refine(isPrivateKey, { message: 'must be an RSA or Ed25519 private key in PEM' })
      .optional()
      .describe('PEM (kept encrypted)'),
    helo: z
      .string()
      .regex(/^[A-Za-z0-9.[\]:-]+$/)
      .optional()
      .describe('name in EHLO'),
    ...EVENT_SETTINGS,
  })
  .superRefine(checkEventSettings);

/**
 * Headers in which providers take an id that they give back with their events; the others give back the Message-ID.
 * https://postmarkapp.com/support/article/1125-custom-metadata-faq,
 * https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments
 */
const ECHOES: Partial<Record<EventFormatName, (id: string) => string>> = {
  postmark: (id) => `X-PM-Metadata-batchsender: ${id}\r\n`,
  sendgrid: (id) => `X-SMTPAPI: {"unique_args":{"batchsender_id":"${id}"}}\r\n`,
};

/** Mails waiting for each session, so that the next one can be announced with the end of the last. */
const MAILS_PER_SESSION = 4;

/** E-mail over SMTP: long-lived sessions, pipelined where the server offers it. */
export class SmtpProvider implements Provider {
  readonly defaultConcurrency: number;
  readonly idempotent = false;
  private readonly pool: SessionPool;
  private readonly composer: MailComposer;
  private readonly settings: z.infer<typeof SmtpSettings>;
  private connecting: Promise<unknown> | null = null;

  constructor(config: ProviderConfig) {
    this.settings = SmtpSettings.parse(config.settings);
    const { dkimDomain, dkimSelector, dkimPrivateKey } = this.settings;
    this.composer = new MailComposer(
      dkimDomain && dkimSelector && dkimPrivateKey
        ? dkimOptions(dkimDomain, dkimSelector, dkimPrivateKey)
        : null,
      ECHOES[this.settings.eventFormat ?? 'batchsender'],
    );
    const connections = config.limits.concurrency ?? this.settings.connections;
    this.defaultConcurrency = config.limits.concurrency ?? connections * MAILS_PER_SESSION;
    const { host, port, tls, verifyCertificate, user, password, helo } = this.settings;
    this.pool = new SessionPool(
      { host, port, tls, verifyCertificate, user, password, helo, implicitTls: tls === 'implicit' },
      connections,
    );
  }

  async send(message: OutgoingMessage): Promise<Outcome> {
    if (!this.pool.capabilities) {
      const problem = await this.learnCapabilities();
      if (problem) return problem;
    }
    const { eightBitMime, smtpUtf8 } = this.pool.capabilities!;
    // Field by field: rest and spread made each mail a slow object, a fifth of the throughput.
    const { from, data, attached, needs8BitMime, needsSmtpUtf8 } = this.composer.compose(
      message,
      eightBitMime,
    );
    if (needsSmtpUtf8 && !smtpUtf8)
      return failed(
        'smtputf8_unsupported',
        'the address is not ASCII and the server does not offer SMTPUTF8',
      );
    return outcomeOf(
      await this.pool.deliver({ from, to: message.to, data, attached, needs8BitMime, needsSmtpUtf8 }),
    );
  }

  async test(): Promise<string> {
    try {
      const { pipelining } = await this.pool.connect();
      const { host, port, user } = this.settings;
      return `${host}:${port} accepted the connection${user ? ' and the credentials' : ''}${pipelining ? '' : '; it does not offer PIPELINING, so sending is slower'}`;
    } catch (error) {
      const text =
        error instanceof SessionRefused
          ? error.reply.text
          : `${(error as { code?: string }).code?.toUpperCase()}: ${(error as Error).message}`;
      throw new AppError(
        'provider_test_failed',
        422,
        `${this.settings.host}:${this.settings.port}: ${text}`,
        { fix: 'Check host, port, tls and the credentials.' },
      );
    }
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  /** What the server offers decides how mails are encoded, so it is asked before the first one is written. */
  private async learnCapabilities(): Promise<Outcome | null> {
    this.connecting ??= this.pool.connect().finally(() => {
      this.connecting = null;
    });
    try {
      await this.connecting;
      return null;
    } catch (error) {
      if (error instanceof SessionRefused) return outcomeOf({ refused: error });
      return unavailable((error as { code?: string }).code ?? 'error', (error as Error).message);
    }
  }
}

function outcomeOf(result: PoolResult): Outcome {
  if ('reply' in result) return outcomeOfReply(result.reply, result.stage);
  if ('refused' in result) return outcomeOfRefusal(result.refused);
  if ('unreachable' in result) return unavailable(result.unreachable.code, result.unreachable.message);
  const { code, message } = result.lost;
  return result.written
    ? uncertain(code, `after the message was written: ${message}`)
    : deferred(code, message, 0);
}

/** A refused session says nothing about the recipient: the provider waits, or pauses when it is about us. */
function outcomeOfRefusal({ reply, stage }: SessionRefused): Outcome {
  const { class: kind, retry_after_s: seconds } = classifyReply({ stage, reply: reply.text });
  const code = `smtp_${reply.code}`;
  if (kind === 'rate_limited') return rateLimited(code, reply.text, seconds === null ? null : seconds * 1000);
  return kind === 'retry' ? unavailable(code, reply.text) : credentialsRefused(code, reply.text);
}

function outcomeOfReply({ code: number, text }: Reply, stage: SmtpStage): Outcome {
  const { class: kind, retry_after_s: seconds, suppress } = classifyReply({ stage, reply: text });
  const code = `smtp_${number}`;
  const retryAfterMs = seconds === null ? null : seconds * 1000;
  switch (kind) {
    case 'accepted':
      return accepted(text.slice(0, 200));
    case 'retry':
      return deferred(code, text, retryAfterMs);
    case 'rate_limited':
      return rateLimited(code, text, retryAfterMs);
    case 'auth_failure':
      return credentialsRefused(code, text);
    case 'permanent':
    case 'policy':
      return failed(code, text, suppress);
  }
}
