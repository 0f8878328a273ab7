/**
 * A set of addresses that needs about 16 bytes for each instead of about 100: 64-bit hashes in an open
 * table. Two different addresses of ten million collide with a probability of about 3 in a million, which
 * is fit for checking a file; an import lets PostgreSQL compare the addresses themselves.
 */
export class AddressHashes {
  private table = new BigUint64Array(1 << 16);
  private used = 0;

  /** False when the key was there already. */
  add(key: string): boolean {
    if (this.used * 2 >= this.table.length) this.grow();
    return this.insert(hash64(key));
  }

  private insert(hash: bigint): boolean {
    const mask = this.table.length - 1;
    for (let i = Number(hash & BigInt(mask)); ; i = (i + 1) & mask) {
      if (this.table[i] === 0n) {
        this.table[i] = hash;
        this.used++;
        return true;
      }
      if (this.table[i] === hash) return false;
    }
  }

  private grow(): void {
    const old = this.table;
    this.table = new BigUint64Array(old.length * 2);
    this.used = 0;
    for (const hash of old) if (hash !== 0n) this.insert(hash);
  }
}

/** Two independent 32-bit multiplicative hashes (the constants are xxHash32's primes); never 0. */
function hash64(key: string): bigint {
  let a = 0x165667b1;
  let b = 0x27d4eb2f;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    a ^= a >>> 15;
    b = Math.imul(b ^ code, 0x85ebca77);
    b ^= b >>> 13;
  }
  return (BigInt(a >>> 0) << 32n) | BigInt(b >>> 0) || 1n;
}
