import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { byComma, EVENT_FORMAT_NAMES, type EventFormatName } from '../../domain/events/formats.ts';

/** Settings of every kind of provider whose own provider may tell us what became of messages. */
export const EVENT_SETTINGS = {
  eventFormat: z
    .enum(EVENT_FORMAT_NAMES)
    .optional()
    .describe(`who posts events to /webhooks/PROVIDER_ID: ${EVENT_FORMAT_NAMES.join(', ')}`),
  eventSecret: z
    .string()
    .max(2000)
    .optional()
    .describe(
      'what proves them: signing secret whsec_… (batchsender, resend), auth token (twilio), user:password (postmark); several by comma (kept encrypted)',
    ),
  eventPublicKey: z
    .string()
    .max(2000)
    .optional()
    .describe('verification key in base64 (sendgrid, telnyx); several by comma'),
  eventTopics: z.string().max(2000).optional().describe('topic ARNs that are yours (ses); several by comma'),
} as const;

export const EVENT_SECRETS = ['eventSecret'] as const;

type Values = z.infer<z.ZodObject<typeof EVENT_SETTINGS>>;
type Field = keyof Values;

/** One way of proof for each format; with another one every event would be refused. */
const PROOF: Record<EventFormatName, { field: Field; fits(value: string): boolean; shape: string }> = {
  batchsender: {
    field: 'eventSecret',
    fits: isSigningSecret,
    shape: 'base64 of at least 24 bytes, as whsec_…',
  },
  resend: { field: 'eventSecret', fits: isSigningSecret, shape: 'the signing secret, whsec_…' },
  postmark: {
    field: 'eventSecret',
    fits: (text) => /^[^:]+:.{8,}$/.test(text),
    shape: 'user:password, 8 characters or more',
  },
  twilio: { field: 'eventSecret', fits: (text) => text.length >= 16, shape: 'the auth token of the account' },
  sendgrid: { field: 'eventPublicKey', fits: isEcKey, shape: 'the verification key, base64' },
  telnyx: {
    field: 'eventPublicKey',
    fits: (text) => Buffer.from(text, 'base64').length === 32,
    shape: 'the public key, base64 of 32 bytes',
  },
  ses: {
    field: 'eventTopics',
    fits: (text) => /^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w.-]+$/.test(text),
    shape: 'arn:aws:sns:REGION:ACCOUNT:TOPIC',
  },
};

/** Refuses settings with which no event could be verified, or that would be read by nobody. */
export function checkEventSettings(values: Values, context: z.RefinementCtx): void {
  const given = (['eventSecret', 'eventPublicKey', 'eventTopics'] as const).filter((field) => values[field]);
  if (given.length === 0 && values.eventFormat === undefined) return;
  const format = values.eventFormat ?? 'batchsender';
  const { field, fits, shape } = PROOF[format];
  const issue = (path: Field, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  for (const other of given)
    if (other !== field) issue(other, `is not used with eventFormat ${format}; that needs ${field}`);
  const entries = byComma(values[field]);
  if (entries.length === 0 || !entries.every(fits)) issue(field, `must be ${shape} (eventFormat ${format})`);
}

function isSigningSecret(text: string): boolean {
  return /^(?:whsec_)?[A-Za-z0-9+/]{32,}={0,2}$/.test(text);
}

function isEcKey(text: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ec';
  } catch {
    return false;
  }
}
