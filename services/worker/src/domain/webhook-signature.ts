import { createHmac, timingSafeEqual } from 'node:crypto';

/** Standard Webhooks: the signed time may be this far from ours, seconds. */
const TOLERANCE_SECONDS = 300;

export interface SignedRequest {
  id: string | undefined;
  timestamp: string | undefined;
  signature: string | undefined;
  body: string;
}

export type SignatureVerdict = 'ok' | 'bad_signature' | 'stale';

/** Signature of a body by Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. */
export function signWebhook(secret: string, id: string, timestamp: string, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** Whether any of the request's signatures (several while a secret is rotated) is right and fresh. */
export function verifyWebhook(secret: string, request: SignedRequest, nowSeconds: number): SignatureVerdict {
  const { id, timestamp, signature, body } = request;
  if (!id || !timestamp || !signature || !/^\d{1,12}$/.test(timestamp)) return 'bad_signature';
  const expected = Buffer.from(signWebhook(secret, id, timestamp, body));
  const fits = signature.split(' ').some((one) => {
    const given = Buffer.from(one);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!fits) return 'bad_signature';
  return Math.abs(nowSeconds - Number(timestamp)) > TOLERANCE_SECONDS ? 'stale' : 'ok';
}
