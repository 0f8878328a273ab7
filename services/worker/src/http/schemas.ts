import { z } from 'zod';
import { BATCH_STATES } from '../domain/batch-state.ts';
import { CHANNELS } from '../domain/channel.ts';
import { MESSAGE_STATE_NAMES } from '../domain/message-state.ts';

const MAX_PAGE = 500;
const DEFAULT_PAGE = 50;

export const ErrorReply = z.object({
  error: z.object({
    code: z.string().describe('stable; see docs/errors.md'),
    message: z.string(),
    fix: z.string().optional(),
    field: z.string().optional(),
    details: z.unknown().optional(),
    requestId: z.string().optional(),
  }),
});

export const PageQuery = z.object({
  cursor: z.string().optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
});

export const IdParams = z.object({ id: z.string().describe('id of the batch') });

export const Counts = z.object(
  Object.fromEntries(MESSAGE_STATE_NAMES.map((state) => [state, z.number().int()])) as Record<
    (typeof MESSAGE_STATE_NAMES)[number],
    z.ZodNumber
  >,
);

const timestamp = z.iso.datetime();
const nullableTimestamp = timestamp.nullable();

export const Limits = z.strictObject({
  perSecond: z.number().positive().optional(),
  perMinute: z.number().positive().optional(),
  perDay: z.number().positive().optional(),
  concurrency: z.number().int().min(1).max(1000).optional().describe('messages in flight at once'),
  perDomainPerSecond: z.number().positive().optional().describe('to any one recipient domain'),
  perSenderPerSecond: z.number().positive().optional().describe('from any one sender address'),
});

export const TemplateBody = z
  .strictObject({
    subject: z
      .string()
      .max(998 * 4)
      .optional(),
    html: z.string().optional(),
    mjml: z.string().optional().describe('instead of html'),
    text: z.string().nullable().optional().describe('made from the HTML when absent; null for none'),
    headers: z
      .record(z.string(), z.string().max(2000))
      .optional()
      .describe('custom mail headers; values are templates'),
  })
  .refine(({ html, mjml, text }) => html !== undefined || mjml !== undefined || typeof text === 'string', {
    message: 'needs html, mjml or text',
  })
  .refine(({ html, mjml }) => html === undefined || mjml === undefined, {
    message: 'takes html or mjml, not both',
  });

export const BatchReply = z.object({
  id: z.string(),
  name: z.string(),
  channel: z.enum(CHANNELS),
  provider: z.object({
    id: z.string(),
    name: z.string(),
    kind: z.string(),
    state: z.string(),
    pauseReason: z.string().nullable(),
  }),
  from: z.string().nullable(),
  replyTo: z.string().nullable(),
  state: z.enum(BATCH_STATES),
  total: z.number().int(),
  counts: Counts,
  progress: z.number().describe('part of the messages that have a final state, 0 to 1'),
  scheduledAt: nullableTimestamp,
  createdAt: timestamp,
  startedAt: nullableTimestamp,
  finishedAt: nullableTimestamp,
});

export const BatchDetailReply = BatchReply.extend({
  template: z.object({
    subject: z.string().optional(),
    html: z.string().optional(),
    text: z.string().optional(),
    headers: z.record(z.string(), z.string()).optional(),
  }),
  attachments: z.array(
    z.object({ filename: z.string(), contentType: z.string(), inline: z.boolean(), bytes: z.number().int() }),
  ),
  perSecond: z.number().describe('messages settled per second lately'),
  limitedBy: z.string().nullable().describe('what limits the speed, or what the batch waits for'),
  etaSeconds: z.number().nullable().describe('seconds until nothing is left, at the present speed'),
});

export const MessageReply = z.object({
  n: z.number().int(),
  id: z.string(),
  address: z.string(),
  state: z.enum(MESSAGE_STATE_NAMES as [string, ...string[]]),
  temporary: z.boolean().describe('it bounced, and may be tried again: the address is not dead'),
  attempts: z.number().int(),
  providerMessageId: z.string().nullable(),
  code: z.string().nullable(),
  detail: z.string().nullable(),
  updatedAt: nullableTimestamp,
});

export const ProviderReply = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  settings: z.record(z.string(), z.unknown()).describe('secrets are shown as ***'),
  limits: Limits,
  state: z.enum(['active', 'paused']),
  pauseReason: z.string().nullable(),
  eventsUrl: z
    .string()
    .nullable()
    .describe('where its own provider is to post events; null when it takes none'),
  createdAt: timestamp,
});

export const RejectedReply = z.object({
  row: z.number().int(),
  column: z.string().nullable(),
  reason: z.string(),
  text: z.string(),
});

export const ImportReply = z.object({
  id: z.string(),
  accepted: z.number().int(),
  rejected: z.number().int(),
  duplicates: z.number().int(),
  updated: z.number().int().describe('recipients that were there and got new values (duplicates: last)'),
  repeated: z.boolean().describe('the same file was uploaded before; nothing was added again'),
  suppressed: z.number().int(),
  firstRejected: z.array(RejectedReply),
  columns: z.array(z.string()),
  encoding: z.string(),
  delimiter: z.string().nullable(),
  format: z.string(),
});

/** A page of `item`; `next` is null on the last one. */
export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

/** Dates as the API prints them. */
export function isoDates<T extends object>(
  row: T,
): { [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K] } {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, value instanceof Date ? value.toISOString() : value]),
  ) as never;
}
