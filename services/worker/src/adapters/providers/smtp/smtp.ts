import nodemailer, { type Transporter } from 'nodemailer';
import type SMTPPool from 'nodemailer/lib/smtp-pool/index.js';
import { z } from 'zod';
import { parseEmail } from '../../../domain/address/email.ts';
import { AppError } from '../../../domain/errors.ts';
import {
  accepted,
  credentialsRefused,
  deferred,
  failed,
  type Outcome,
  rateLimited,
  uncertain,
} from '../../../domain/outcome.ts';
import { classifyReply, type SmtpStage } from '../../../domain/smtp-reply.ts';
import type { ProviderConfig } from '../../../pipeline/chunk-store.ts';
import type { OutgoingMessage, Provider } from '../../../pipeline/provider.ts';

export const SmtpSettings = z.strictObject({
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
  helo: z.string().optional().describe('name in EHLO'),
});

/** RFC 5321 §4.5.3.2: 5 minutes for most replies, 10 after the message; a batch is better served by less. */
const GREETING_TIMEOUT_MS = 15_000;
const SOCKET_TIMEOUT_MS = 120_000;

/** E-mail over SMTP with pooled sessions. */
export class SmtpProvider implements Provider {
  readonly defaultConcurrency: number;
  readonly idempotent = false;
  private readonly transporter: Transporter<SMTPPool.SentMessageInfo>;
  private readonly settings: z.infer<typeof SmtpSettings>;

  constructor(config: ProviderConfig) {
    this.settings = SmtpSettings.parse(config.settings);
    const { host, port, tls, user, password, verifyCertificate, helo } = this.settings;
    const connections = config.limits.concurrency ?? this.settings.connections;
    this.defaultConcurrency = connections;
    this.transporter = nodemailer.createTransport({
      pool: true,
      host,
      port,
      secure: tls === 'implicit',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'off',
      tls: { rejectUnauthorized: verifyCertificate },
      ...(user ? { auth: { user, pass: password ?? '' } } : {}),
      ...(helo ? { name: helo } : {}),
      maxConnections: connections,
      maxMessages: Number.POSITIVE_INFINITY,
      greetingTimeout: GREETING_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(message: OutgoingMessage): Promise<Outcome> {
    try {
      const { subject, html, text } = message.content;
      const info = await this.transporter.sendMail({
        from: message.from ?? undefined,
        replyTo: message.replyTo ?? undefined,
        to: { name: '', address: message.to },
        messageId: `<${message.id}@${senderDomain(message.from)}>`,
        subject,
        html,
        text,
        headers: { 'X-Batch-Message': message.id },
      });
      return accepted(info.response.slice(0, 200));
    } catch (error) {
      return outcomeOfError(error as SmtpError);
    }
  }

  async test(): Promise<string> {
    try {
      await this.transporter.verify();
      return `${this.settings.host}:${this.settings.port} accepted the connection${this.settings.user ? ' and the credentials' : ''}`;
    } catch (error) {
      throw new AppError(
        'provider_test_failed',
        422,
        `${this.settings.host}:${this.settings.port}: ${(error as Error).message}`,
        {
          fix: 'Check host, port, tls and the credentials.',
        },
      );
    }
  }

  async close(): Promise<void> {
    this.transporter.close();
  }
}

function senderDomain(from: string | null): string {
  const parsed = from ? parseEmail(from) : null;
  return parsed?.valid ? parsed.domain : 'batchsender.invalid';
}

interface SmtpError extends Error {
  code?: string;
  command?: string;
  response?: string;
  responseCode?: number;
}

function outcomeOfError(error: SmtpError): Outcome {
  if (error.response && error.responseCode) return outcomeOfReply(error.response, stageOf(error.command));
  const code = (error.code ?? 'smtp_error').toLowerCase();
  if (error.code === 'EAUTH') return credentialsRefused(code, error.message);
  if (error.code === 'EENVELOPE' || error.code === 'EMESSAGE') return failed(code, error.message);
  // The library does not say whether the message was written; only failures to get a session are certain.
  if (error.command === 'CONN' || /ECONNREFUSED|EDNS|ENOTFOUND|EAI_AGAIN/.test(error.code ?? ''))
    return deferred(code, error.message);
  return uncertain(code, error.message);
}

function outcomeOfReply(reply: string, stage: SmtpStage): Outcome {
  const { class: kind, retry_after_s: seconds, suppress } = classifyReply({ stage, reply });
  const code = `smtp_${reply.slice(0, 3)}`;
  const retryAfterMs = seconds === null ? null : seconds * 1000;
  switch (kind) {
    case 'accepted':
      return accepted(reply.slice(0, 200));
    case 'retry':
      return deferred(code, reply, retryAfterMs);
    case 'rate_limited':
      return rateLimited(code, reply, retryAfterMs);
    case 'auth_failure':
      return credentialsRefused(code, reply);
    case 'permanent':
    case 'policy':
      return failed(code, reply, suppress);
  }
}

function stageOf(command: string | undefined): SmtpStage {
  if (!command) return 'eod';
  if (command.startsWith('AUTH')) return 'auth';
  if (command.startsWith('EHLO') || command.startsWith('HELO')) return 'ehlo';
  if (command.startsWith('MAIL')) return 'mail';
  if (command.startsWith('RCPT')) return 'rcpt';
  return command === 'CONN' ? 'connect' : command === 'DATA' ? 'eod' : 'data';
}
