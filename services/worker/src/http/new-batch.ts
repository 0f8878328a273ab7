import { z } from 'zod';
import { parseEmail } from '../domain/address/email.ts';
import { CHANNELS } from '../domain/channel.ts';
import {
  type Attachment,
  attachmentBytes,
  MAX_ATTACHMENT_BYTES,
  MAX_ATTACHMENTS,
} from '../domain/content/attachment.ts';
import { headerProblem, MAX_HEADERS } from '../domain/content/header-fields.ts';
import { AppError } from '../domain/errors.ts';
import { isZone, type QuietHours, resolveLocal } from '../domain/schedule.ts';
import { completeTemplate } from '../domain/template/complete.ts';
import { compileTemplate, MISSING_POLICIES } from '../domain/template/template.ts';
import type { AppDeps } from './app.ts';
import type { NewBatch } from './batch-stores.ts';
import { TemplateBody } from './schemas.ts';

const MAX_INLINE_RECIPIENTS = 10_000;

const Parameter = z.string().min(1).max(500);
const VariableName = z.string().min(1).max(200);
const AttachmentBody = z.strictObject({
  filename: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\p{Cc}/\\]+$/u, { message: 'is not a file name' }),
  contentType: z
    .string()
    .max(255)
    .regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; ?[\w-]+=(?:[\w.-]+|"[\w .-]*"))*$/, {
      message: 'must be type/subtype',
    })
    .default('application/octet-stream'),
  content: z.base64().describe('base64'),
  contentId: z
    .string()
    .regex(/^[\w.@-]{1,200}$/, { message: 'letters, digits, ".", "-", "_" and "@" only' })
    .optional()
    .describe('makes the file an inline one, shown by HTML as cid:…'),
});

const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { message: 'must be HH:MM' });

/** Body of POST /api/batches. */
export const NewBatchBody = z.strictObject({
  name: z.string().min(1).max(200),
  channel: z.enum(CHANNELS).default('email'),
  provider: z.string().optional().describe('id or name; may be left out when the account has only one'),
  from: z.string().max(1000).optional().describe('sender address, required for email'),
  replyTo: z.string().max(1000).optional(),
  template: TemplateBody,
  recipients: z
    .array(z.strictObject({ address: z.string(), variables: z.record(z.string(), z.unknown()).optional() }))
    .min(1)
    .max(MAX_INLINE_RECIPIENTS, {
      message: `at most ${MAX_INLINE_RECIPIENTS}; stream more to POST /api/batches/:id/recipients`,
    })
    .optional(),
  send: z.boolean().default(false).describe('send at once (or at scheduledAt)'),
  scheduledAt: z
    .string()
    .optional()
    .describe(
      'with an offset (2026-03-01T09:00:00+01:00), or wall-clock time in `timezone` (2026-03-01T09:00:00)',
    ),
  lateHours: z
    .number()
    .min(0)
    .max(24 * 30)
    .optional()
    .describe('sent late up to this after a missed schedule, else held; default 12'),
  quietHours: z
    .strictObject({
      start: TimeOfDay,
      end: TimeOfDay,
      zone: z.string().optional().describe('default: `timezone`'),
    })
    .optional()
    .describe('nothing is sent from start to end, over midnight too'),
  missingVariables: z
    .enum(MISSING_POLICIES)
    .optional()
    .describe(
      'what a variable that a recipient lacks becomes: an error (default), nothing, or the value in `defaults` and an error without one',
    ),
  defaults: z
    .record(VariableName, z.unknown())
    .optional()
    .describe('values for variables that a recipient lacks or has empty'),
  overrides: z
    .strictObject({
      subject: VariableName.optional(),
      from: VariableName.optional(),
      replyTo: VariableName.optional(),
    })
    .optional()
    .describe('variables whose value replaces that part for the recipients that have one'),
  attachments: z.array(AttachmentBody).max(MAX_ATTACHMENTS).optional(),
  tracking: z
    .strictObject({
      clicks: z.boolean().default(false),
      opens: z.boolean().default(false),
      utm: z.record(Parameter, Parameter).optional().describe('campaign parameters for every web link'),
    })
    .optional()
    .describe('off unless asked for; needs PUBLIC_URL'),
  unsubscribe: z
    .boolean()
    .default(false)
    .describe('one-click unsubscribe headers and {{ unsubscribe_url }}; needs PUBLIC_URL'),
  uncertainPolicy: z
    .enum(['resend', 'hold'])
    .default('resend')
    .describe('what happens to messages that a crash left in doubt'),
  timezone: z.string().default('UTC').describe('IANA zone in which the template prints dates'),
});
export type NewBatchRequest = z.infer<typeof NewBatchBody>;

/** Everything is checked before anything is stored. */
export async function newBatch(body: NewBatchRequest, accountId: string, deps: AppDeps): Promise<NewBatch> {
  checkZone(body.timezone);
  const template = await completeTemplate(body.template);
  compileTemplate(template, { timezone: body.timezone });
  checkHeaders(body);
  checkPublicUrl(body, deps);
  const providerId = await providerFor(body, accountId, deps);
  const from = checkSender('from', body.from, body.channel === 'email');
  return {
    name: body.name,
    channel: body.channel,
    providerId,
    from,
    replyTo: checkSender('replyTo', body.replyTo, false),
    template,
    attachments: attachmentsOf(body),
    scheduledAt: scheduledInstant(body.scheduledAt, body.timezone),
    options: {
      uncertainPolicy: body.uncertainPolicy,
      missingVariables: body.missingVariables ?? (body.defaults ? 'default' : 'error'),
      ...(body.defaults ? { defaults: body.defaults } : {}),
      ...(body.overrides ? { overrides: body.overrides } : {}),
      ...(body.tracking ? { tracking: body.tracking } : {}),
      unsubscribe: body.unsubscribe,
      timezone: body.timezone,
      ...(body.lateHours === undefined ? {} : { lateHours: body.lateHours }),
      ...(body.quietHours ? { quietHours: quietHours(body.quietHours, body.timezone) } : {}),
    },
  };
}

function checkHeaders({ template, unsubscribe }: NewBatchRequest): void {
  const names = Object.keys(template.headers ?? {});
  if (names.length > MAX_HEADERS)
    throw new AppError('header_invalid', 422, `There are ${names.length} headers; at most ${MAX_HEADERS}.`, {
      field: 'template.headers',
    });
  for (const name of names) {
    const twice = unsubscribe && name.toLowerCase().startsWith('list-unsubscribe');
    const problem = twice
      ? 'is written by BatchSender itself when "unsubscribe" is set'
      : headerProblem(name);
    if (problem)
      throw new AppError('header_invalid', 422, `The header "${name.slice(0, 80)}" ${problem}.`, {
        field: `template.headers.${name.slice(0, 80)}`,
      });
  }
}

function checkPublicUrl({ tracking, unsubscribe }: NewBatchRequest, deps: AppDeps): void {
  if (deps.links || !(unsubscribe || tracking?.clicks || tracking?.opens)) return;
  throw new AppError('public_url_missing', 422, 'Links of our own need an address that recipients reach.', {
    field: unsubscribe ? 'unsubscribe' : 'tracking',
    fix: 'Set PUBLIC_URL of the worker, for example https://mail.example.com.',
  });
}

function attachmentsOf({ attachments = [], channel }: NewBatchRequest): Attachment[] {
  if (attachments.length && channel !== 'email')
    throw new AppError('attachments_channel', 422, 'Only e-mail takes attachments.', {
      field: 'attachments',
    });
  const files = attachments.map(({ content, contentId = null, ...one }) => ({
    ...one,
    contentId,
    base64: content,
  }));
  const bytes = attachmentBytes(files);
  if (bytes > MAX_ATTACHMENT_BYTES)
    throw new AppError(
      'attachments_too_large',
      413,
      `The attachments have ${bytes} bytes; at most ${MAX_ATTACHMENT_BYTES} together.`,
      { field: 'attachments', fix: 'Link to large files instead.' },
    );
  return files;
}

export async function providerFor(
  body: Pick<NewBatchRequest, 'provider' | 'channel'>,
  accountId: string,
  deps: AppDeps,
): Promise<string> {
  if (body.provider === undefined) {
    const id = await deps.providers.defaultId(accountId, body.channel);
    if (id) return id;
    throw new AppError(
      'provider_required',
      422,
      'The account has no provider, or several and none is named "default".',
      {
        field: 'provider',
        fix: 'Name one in "provider". GET /api/providers lists them.',
      },
    );
  }
  const provider = await deps.providers.find(accountId, body.provider).catch((error: unknown) => {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('provider_unknown', 422, `There is no provider "${body.provider}" in this account.`, {
      field: 'provider',
      fix: 'GET /api/providers lists them.',
    });
  });
  if (!deps.kinds[provider.kind]!.channels.includes(body.channel)) {
    throw new AppError(
      'provider_channel',
      422,
      `Provider "${provider.name}" (${provider.kind}) does not send ${body.channel}.`,
      { field: 'provider' },
    );
  }
  return provider.id;
}

function checkSender(field: string, value: string | undefined, required: boolean): string | null {
  if (value === undefined) {
    if (!required) return null;
    throw new AppError('sender_required', 422, 'An e-mail needs a sender address.', {
      field,
      fix: 'Set "from", for example "News <news@example.com>".',
    });
  }
  const parsed = parseEmail(value);
  if (!parsed.valid)
    throw new AppError(
      'sender_invalid',
      422,
      `"${value.slice(0, 100)}" is not an e-mail address (${parsed.reason}).`,
      { field },
    );
  const name = parsed.display_name?.replace(/["\\]/g, '\\$&');
  return name ? `"${name}" <${parsed.address}>` : parsed.address;
}

function checkZone(zone: string, field = 'timezone'): void {
  if (isZone(zone)) return;
  throw new AppError('timezone_unknown', 422, `There is no time zone "${zone}".`, {
    field,
    fix: 'Use an IANA name such as Europe/Berlin.',
  });
}

function scheduledInstant(value: string | undefined, timezone: string): Date | null {
  if (value === undefined) return null;
  if (/(?:Z|[+-]\d\d:?\d\d)$/i.test(value) && !Number.isNaN(Date.parse(value))) return new Date(value);
  const local = resolveLocal(value, timezone);
  if (!('error' in local)) return local.utc;
  throw new AppError('schedule_invalid', 422, `"${value.slice(0, 40)}" is not a date and time.`, {
    field: 'scheduledAt',
    fix: 'Write 2026-03-01T09:00:00+01:00, or 2026-03-01T09:00:00 for that time in "timezone".',
  });
}

function quietHours(hours: { start: string; end: string; zone?: string }, timezone: string): QuietHours {
  const zone = hours.zone ?? timezone;
  checkZone(zone, 'quietHours.zone');
  return { start: hours.start, end: hours.end, zone };
}
