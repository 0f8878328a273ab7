import { Pool } from 'undici';
import { z } from 'zod';
import { AppError } from '../../../domain/errors.ts';
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
import type { ProviderConfig } from '../../../pipeline/chunk-store.ts';
import type { OutgoingMessage, Provider } from '../../../pipeline/provider.ts';
import { checkEventSettings, EVENT_SETTINGS } from '../event-settings.ts';
import { type Answer, post } from './post.ts';

export const WebhookSettings = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('where each message is posted'),
    authorization: z.string().optional().describe('value of the Authorization header (kept encrypted)'),
    timeoutMs: z.coerce
      .number()
      .int()
      .min(100)
      .max(120_000)
      .default(30_000)
      .describe('time for one request, milliseconds'),
    idempotent: z.stringbool().or(z.boolean()).default(true).describe('the receiver honours Idempotency-Key'),
    ...EVENT_SETTINGS,
  })
  .superRefine(checkEventSettings);

const DEFAULT_CONCURRENCY = 64;

/** Posts each message as JSON, with its id as Idempotency-Key. */
export class WebhookProvider implements Provider {
  readonly defaultConcurrency = DEFAULT_CONCURRENCY;
  readonly idempotent: boolean;
  private readonly settings: z.infer<typeof WebhookSettings>;
  private readonly pool: Pool;
  private readonly url: URL;

  constructor(config: ProviderConfig) {
    this.settings = WebhookSettings.parse(config.settings);
    this.idempotent = this.settings.idempotent;
    this.url = new URL(this.settings.url);
    this.pool = new Pool(this.url.origin, {
      connections: config.limits.concurrency ?? DEFAULT_CONCURRENCY,
      headersTimeout: this.settings.timeoutMs,
      bodyTimeout: this.settings.timeoutMs,
      connect: { timeout: Math.min(10_000, this.settings.timeoutMs) },
    });
  }

  async send(message: OutgoingMessage): Promise<Outcome> {
    try {
      return outcomeOf(await this.post(message.id, body(message)));
    } catch (error) {
      return outcomeOfError(error as NodeJS.ErrnoException);
    }
  }

  async test(): Promise<string> {
    try {
      const { status, text } = await this.post('test', JSON.stringify({ test: true }));
      if (status < 300) return `${this.settings.url} answered ${status}`;
      throw new AppError(
        'provider_test_failed',
        422,
        `${this.settings.url} answered ${status}: ${text.slice(0, 200)}`,
      );
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError('provider_test_failed', 422, `${this.settings.url}: ${(error as Error).message}`, {
        fix: 'Check the URL and that the receiver is up.',
      });
    }
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  private post(key: string, text: string): Promise<Answer> {
    const headers = ['content-type', 'application/json', 'idempotency-key', key];
    if (this.settings.authorization) headers.push('authorization', this.settings.authorization);
    return post(this.pool, this.url.origin, this.url.pathname + this.url.search, headers, text);
  }
}

function body(message: OutgoingMessage): string {
  return JSON.stringify({
    id: message.id,
    batchId: message.batchId,
    to: message.to,
    ...(message.from ? { from: message.from } : {}),
    ...(message.replyTo ? { replyTo: message.replyTo } : {}),
    ...(message.headers ? { headers: message.headers } : {}),
    vars: message.vars,
    ...message.content,
    ...(message.attachments.length ? { attachments: message.attachments } : {}),
  });
}

function outcomeOf({ status, retryAfter, text }: Answer): Outcome {
  if (status >= 200 && status < 300) return accepted(idIn(text));
  const code = `http_${status}`;
  const detail = text.slice(0, 300) || `answered ${status}`;
  if (status === 401 || status === 403) return credentialsRefused(code, detail);
  if (status === 429) return rateLimited(code, detail, retryAfterMs(retryAfter));
  if (status >= 500 || status === 408 || status === 409 || status === 425)
    return deferred(code, detail, retryAfterMs(retryAfter));
  return failed(code, detail);
}

function idIn(text: string): string | null {
  if (!text.startsWith('{')) return null;
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? id.slice(0, 200) : null;
  } catch {
    return null;
  }
}

/** RFC 9110 §10.2.3: seconds or an HTTP date. */
function retryAfterMs(value: string | null): number | null {
  if (!value) return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

/** Errors before the request was written: the receiver cannot have seen it. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'EMFILE',
]);

function outcomeOfError(error: NodeJS.ErrnoException): Outcome {
  const code = error.code ?? error.name;
  if (NOT_SENT.has(code)) return unavailable(code.toLowerCase(), error.message);
  return uncertain(code.toLowerCase(), `no answer: ${error.message}`);
}
