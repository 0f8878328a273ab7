/** Fields that the worker writes itself, or that would break a message when set twice. */
const RESERVED = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'mime-version',
  'dkim-signature',
  'received',
  'return-path',
  'x-batch',
]);
/** RFC 5322 §3.6.8: printable ASCII without colon; shorter than a line. */
const NAME = /^[\x21-\x39\x3b-\x7e]{1,76}$/;

export const MAX_HEADERS = 20;

/** Why a custom header cannot be used, or null. */
export function headerProblem(name: string): string | null {
  if (!NAME.test(name)) return 'is not the name of a header';
  const key = name.toLowerCase();
  if (RESERVED.has(key) || key.startsWith('content-')) return 'is written by BatchSender itself';
  return null;
}
