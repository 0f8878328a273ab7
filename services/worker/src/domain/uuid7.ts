import { randomFillSync } from 'node:crypto';

const scratch = Buffer.alloc(16);

/** A UUIDv7 (RFC 9562 §5.7): sorts by creation time, which the partitions of `messages` rely on. */
export function uuid7(nowMs = Date.now()): string {
  randomFillSync(scratch);
  scratch.writeUIntBE(nowMs, 0, 6);
  scratch[6] = (scratch[6]! & 0x0f) | 0x70;
  scratch[8] = (scratch[8]! & 0x3f) | 0x80;
  const hex = scratch.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
