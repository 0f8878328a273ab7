import { z } from 'zod';

const RecordReply = z.object({
  status: z.enum(['ok', 'warning', 'missing', 'invalid', 'unknown']),
  detail: z.string(),
});
export const SenderDomainReply = z.object({
  domain: z.string(),
  spf: RecordReply,
  dkim: RecordReply,
  dmarc: RecordReply,
});
const SampleReply = z.object({
  n: z.number().int(),
  address: z.string(),
  from: z.string().nullable(),
  subject: z.string().nullable(),
  html: z.string().nullable(),
  text: z.string().nullable(),
  headers: z.record(z.string(), z.string()),
  bytes: z.number().int(),
});

export const PreflightReply = z.object({
  ok: z.boolean().describe('no problem is an error'),
  at: z.string(),
  problems: z.array(
    z.object({
      severity: z.enum(['error', 'warning']),
      code: z.string(),
      message: z.string(),
      fix: z.string().nullable(),
    }),
  ),
  recipients: z.object({
    total: z.number().int(),
    willBeSent: z.number().int(),
    suppressed: z.number().int(),
    failing: z.number().int().describe('recipients whose message cannot be made'),
    rejected: z
      .record(z.string(), z.number().int())
      .describe('rows of uploads that are not in the batch, by reason'),
  }),
  rendering: z.object({
    checked: z.number().int(),
    suppressed: z.number().int(),
    failing: z.number().int(),
    failures: z.array(
      z.object({
        code: z.string(),
        part: z.string(),
        variable: z.string().nullable(),
        count: z.number().int(),
        example: z.object({ n: z.number().int(), address: z.string(), message: z.string() }),
      }),
    ),
    samples: z.array(SampleReply),
    longestSubject: SampleReply.nullable(),
    largest: SampleReply.nullable(),
    averageBytes: z.number().int(),
    totalBytes: z.number().int(),
    relativeLinks: z.array(z.string()),
  }),
  sender: SenderDomainReply.nullable(),
  oneClickUnsubscribe: z.boolean(),
  provider: z.object({
    name: z.string(),
    state: z.string(),
    perSecond: z.number().nullable().describe('what the limits allow; null without a limit'),
    perDay: z.number().nullable(),
    leftToday: z
      .number()
      .int()
      .nullable()
      .describe('of the daily limit, after what went out in the last 24 hours; null without a limit'),
  }),
  etaSeconds: z.number().int().nullable().describe('at the limits of the provider; null without one'),
});
export type Preflight = z.infer<typeof PreflightReply>;
