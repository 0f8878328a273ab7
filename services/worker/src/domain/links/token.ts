import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What a public link may do; a token for one purpose is worth nothing for another. */
export type LinkPurpose = 'click' | 'open' | 'unsubscribe';

export interface LinkToken {
  batchId: string;
  n: number;
  /** Target of a click; empty for other purposes. */
  target: string;
}

const ID_BYTES = 16;
const HEAD_BYTES = ID_BYTES + 4;
/** Half of an HMAC-SHA-256, as RFC 2104 §5 allows; forging one takes 2^127 tries. */
const MAC_BYTES = 16;

/**
 * Signs what public links carry: message and target stand in the link itself, so nothing is stored per link and
 * nobody can exchange the target.
 */
export class LinkSigner {
  private readonly key: Buffer;

  /** @param secretKey 64 hexadecimal digits */
  constructor(secretKey: string) {
    this.key = Buffer.from(hkdfSync('sha256', Buffer.from(secretKey, 'hex'), '', 'batchsender links', 32));
  }

  sign(purpose: LinkPurpose, { batchId, n, target }: LinkToken): string {
    const head = Buffer.alloc(HEAD_BYTES);
    head.write(batchId.replaceAll('-', ''), 0, 'hex');
    head.writeUInt32BE(n, ID_BYTES);
    const payload = Buffer.concat([head, Buffer.from(target)]);
    return Buffer.concat([this.mac(purpose, payload), payload]).toString('base64url');
  }

  /** Null for anything that was not signed here for this purpose. */
  verify(purpose: LinkPurpose, token: string): LinkToken | null {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length < MAC_BYTES + HEAD_BYTES || bytes.toString('base64url') !== token) return null;
    const payload = bytes.subarray(MAC_BYTES);
    if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), this.mac(purpose, payload))) return null;
    const hex = payload.toString('hex', 0, ID_BYTES);
    return {
      batchId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
      n: payload.readUInt32BE(ID_BYTES),
      target: payload.toString('utf8', HEAD_BYTES),
    };
  }

  private mac(purpose: LinkPurpose, payload: Buffer): Buffer {
    return createHmac('sha256', this.key)
      .update(`${purpose}\0`)
      .update(payload)
      .digest()
      .subarray(0, MAC_BYTES);
  }
}

/** Public addresses of a message, made of the base URL under which recipients reach the worker. */
export class PublicLinks {
  private readonly base: string;
  private readonly signer: LinkSigner;

  constructor(publicUrl: string, signer: LinkSigner) {
    this.base = publicUrl.replace(/\/+$/, '');
    this.signer = signer;
  }

  click(batchId: string, n: number, target: string): string {
    return `${this.base}/c/${this.signer.sign('click', { batchId, n, target })}`;
  }

  pixel(batchId: string, n: number): string {
    return `${this.base}/o/${this.signer.sign('open', { batchId, n, target: '' })}`;
  }

  unsubscribe(batchId: string, n: number): string {
    return `${this.base}/u/${this.signer.sign('unsubscribe', { batchId, n, target: '' })}`;
  }
}
