import { createHmac, timingSafeEqual } from 'node:crypto';

/** Standard Webhooks: the signed time may be this far from ours, seconds. */
const TOLERANCE_SECONDS = 300;

export interface SignedRequest {
  id: string | undefined;
  timestamp: string | undefined;
  signature: string | undefined;
  body: string | Buffer;
}

export type SignatureVerdict = 'ok' | 'bad_signature' | 'stale';

/** Signature of a body by Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. */
export function signWebhook(secret: string, id: string, timestamp: string, body: string | Buffer): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
}

/** Whether any of the request's signatures (several while a secret is rotated) is right by any secret, and fresh. */
export function verifyWebhook(
  secrets: readonly string[],
  request: SignedRequest,
  nowSeconds: number,
): SignatureVerdict {
  const { id, timestamp, signature, body } = request;
  if (!id || !timestamp || !signature || !isWholeSeconds(timestamp)) return 'bad_signature';
  const fits = secrets.some((secret) => {
    const expected = signWebhook(secret, id, timestamp, body);
    return signature.split(' ').some((one) => equalsSecretly(one, expected));
  });
  if (!fits) return 'bad_signature';
  return isFresh(timestamp, nowSeconds) ? 'ok' : 'stale';
}

export function isWholeSeconds(timestamp: string): boolean {
  return /^\d{1,12}$/.test(timestamp);
}

export function isFresh(timestamp: string, nowSeconds: number): boolean {
  return Math.abs(nowSeconds - Number(timestamp)) <= TOLERANCE_SECONDS;
}

/** In a time that tells nothing of where they differ. */
export function equalsSecretly(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
