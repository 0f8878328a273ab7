import { batchsender } from './batchsender.ts';
import { postmark } from './postmark.ts';
import type { EventFormat } from './reception.ts';
import { resend } from './resend.ts';
import { sendgrid } from './sendgrid.ts';
import { ses } from './ses.ts';
import { telnyx } from './telnyx.ts';
import { twilio } from './twilio.ts';

export const EVENT_FORMAT_NAMES = [
  ...(['batchsender', 'ses', 'sendgrid', 'postmark', 'resend', 'twilio', 'telnyx'] as const),
] as const;
export type EventFormatName = (typeof EVENT_FORMAT_NAMES)[number];

/** How each provider's webhooks are read, by the name that users write as `eventFormat`. */
export const EVENT_FORMATS: Record<EventFormatName, EventFormat> = {
  batchsender,
  ses,
  sendgrid,
  postmark,
  resend,
  twilio,
  telnyx,
};

/** Values of one setting that were given by comma. */
export function byComma(text: unknown): string[] {
  if (typeof text !== 'string') return [];
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
}
