import { createVerify } from 'node:crypto';
import { type Loose, textOf } from './json.ts';

/** Signatures of Amazon SNS: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html */
const SIGNED: Record<string, readonly string[]> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
};
const ALGORITHMS: Record<string, string> = { '1': 'RSA-SHA1', '2': 'RSA-SHA256' };
const HOST = /^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

/**
 * Whether SNS itself signed it. The certificate is fetched from SNS only: anyone can put one into a bucket.
 * @throws what `certificate` throws: not to know is not the same as a wrong signature
 */
export async function isFromSns(
  message: Loose,
  certificate: (url: string) => Promise<string>,
): Promise<boolean> {
  const fields = SIGNED[textOf(message.Type) ?? ''];
  const algorithm = ALGORITHMS[String(message.SignatureVersion)];
  const url = textOf(message.SigningCertURL);
  const signature = textOf(message.Signature);
  if (!fields || !algorithm || !signature || !url || !isSnsUrl(url) || !url.endsWith('.pem')) return false;
  const text = fields
    .filter((field) => message[field] !== undefined)
    .map((field) => `${field}\n${message[field]}\n`)
    .join('');
  const pem = await certificate(url);
  try {
    return createVerify(algorithm).update(text, 'utf8').verify(pem, signature, 'base64');
  } catch {
    return false;
  }
}

/** An address of SNS, and of nobody who only looks like it. */
export function isSnsUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return (
    url !== null && url.protocol === 'https:' && url.port === '' && !url.username && HOST.test(url.hostname)
  );
}
