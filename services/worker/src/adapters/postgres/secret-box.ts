import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts provider secrets at rest: iv, tag and ciphertext in one buffer. */
export class SecretBox {
  private readonly key: Buffer;

  /** @param keyHex 64 hexadecimal digits */
  constructor(keyHex: string) {
    this.key = Buffer.from(keyHex, 'hex');
  }

  seal(secrets: Record<string, unknown>): Buffer | null {
    if (Object.keys(secrets).length === 0) return null;
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.key, iv);
    const body = Buffer.concat([cipher.update(JSON.stringify(secrets)), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), body]);
  }

  open(sealed: Buffer | null): Record<string, unknown> {
    if (!sealed) return {};
    const decipher = createDecipheriv(ALGORITHM, this.key, sealed.subarray(0, IV_BYTES));
    decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    const body = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(body.toString());
  }
}
