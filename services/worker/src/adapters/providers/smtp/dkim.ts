import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';

export interface DkimOptions {
  domain: string;
  selector: string;
  privateKey: KeyObject;
}

/** Headers that are signed when a mail has them (RFC 6376 §5.4.1, and RFC 8058 for one-click unsubscribe). */
const SIGNED = [
  'from',
  'to',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'mime-version',
  'content-type',
  'list-unsubscribe',
  'list-unsubscribe-post',
];

/** @throws Error when the key is no RSA or Ed25519 private key */
export function dkimOptions(domain: string, selector: string, pem: string): DkimOptions {
  return { domain, selector, privateKey: createPrivateKey(pem.replaceAll('\\n', '\n')) };
}

/**
 * The DKIM-Signature header of a mail (RFC 6376, relaxed/relaxed; Ed25519 by RFC 8463), with CRLF at its end.
 * @param bodyEnd what follows `body` in every mail of the batch; it never starts in the middle of a line
 */
export function dkimSignature(
  headers: string,
  body: string,
  options: DkimOptions,
  nowSeconds: number,
  bodyEnd = '',
): string {
  const ed25519 = options.privateKey.asymmetricKeyType === 'ed25519';
  const fields = parseHeaders(headers);
  const names = SIGNED.filter((name) => fields.has(name));
  const hash = createHash('sha256');
  if (bodyEnd === '') hash.update(relaxedBody(body));
  else hash.update(relaxedLines(body)).update(relaxedBody(bodyEnd));
  const bodyHash = hash.digest('base64');
  const unsigned = `v=1; a=${ed25519 ? 'ed25519' : 'rsa'}-sha256; c=relaxed/relaxed; d=${options.domain}; s=${options.selector}; t=${nowSeconds};\r\n h=${names.join(':')};\r\n bh=${bodyHash};\r\n b=`;
  const text = `${names.map((name) => `${name}:${relaxedValue(fields.get(name)!)}\r\n`).join('')}dkim-signature:${relaxedValue(unsigned)}`;
  // RFC 8463 §3: Ed25519 signs the SHA-256 hash, RSA hashes by itself.
  const signature = ed25519
    ? sign(null, createHash('sha256').update(text).digest(), options.privateKey)
    : sign('sha256', Buffer.from(text), options.privateKey);
  return `DKIM-Signature: ${unsigned}${signature.toString('base64').replace(/.{72}(?=.)/g, '$&\r\n ')}\r\n`;
}

function parseHeaders(headers: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of headers.replace(/\r\n(?=[ \t])/g, '\0').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0)
      fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).replaceAll('\0', '\r\n'));
  }
  return fields;
}

function relaxedValue(value: string): string {
  return value
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim();
}

function relaxedLines(body: string): string {
  return body.replace(/[ \t]+(?=\r\n)/g, '').replace(/[ \t]+/g, ' ');
}

function relaxedBody(body: string): string {
  const trimmed = relaxedLines(body).replace(/(?:\r\n)+$/, '');
  return trimmed === '' ? '' : `${trimmed}\r\n`;
}
