import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkRecipients } from '../../src/domain/recipients/check.ts';
import { readRecipients } from '../../src/domain/recipients/reader.ts';
import { RecipientFileError } from '../../src/domain/recipients/reason.ts';

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const check = (bytes: Uint8Array, size = 64) =>
  checkRecipients(pieces(bytes, size), { channel: 'email' }, Number.POSITIVE_INFINITY);

/** Any text a cell may hold; lone surrogates have no bytes, NUL is rejected on purpose. */
const cell = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .map((text) => text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, ''));
const encodings: Record<string, (text: string) => Buffer> = {
  'utf-8': (text) => Buffer.from(text),
  'utf-8 with BOM': (text) => Buffer.from(`\ufeff${text}`),
  'utf-16le with BOM': (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  'utf-16be with BOM': (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
};

test('any table survives writing in each dialect and reading back', async () => {
  const table = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 8 });
  const dialect = fc.record({
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    newline: fc.constantFrom('\n', '\r\n', '\r'),
    encoding: fc.constantFrom(...Object.keys(encodings)),
    finalNewline: fc.boolean(),
    quoteAll: fc.boolean(),
    size: fc.integer({ min: 1, max: 100 }),
  });
  await fc.assert(
    fc.asyncProperty(
      table,
      dialect,
      async (rows, { delimiter, newline, encoding, finalNewline, quoteAll, size }) => {
        const write = (text: string) =>
          quoteAll || /["\n\r,;\t|]|^[\s\u00a0]|^\ufeff/.test(text)
            ? `"${text.replaceAll('"', '""')}"`
            : text;
        const lines = [['email', 'a', 'b', 'c'], ...rows.map((row, i) => [`u${i}@example.com`, ...row])];
        const text =
          lines.map((line) => line.map(write).join(delimiter)).join(newline) + (finalNewline ? newline : '');
        const result = await check(encodings[encoding]!(text), size);
        expect(result).toMatchObject({
          file_error: null,
          rejected: [],
          delimiter,
          columns: ['address', 'a', 'b', 'c'],
        });
        expect(result.accepted.map((row) => Object.values(row.variables))).toEqual(rows);
      },
    ),
    { numRuns: 300 },
  );
});

test('a broken row is rejected alone, wherever it stands', async () => {
  const broken = fc.constantFrom('"open,x', '"a"b,c', 'nobody,x', ',x', 'a@example.com,"x"y');
  await fc.assert(
    fc.asyncProperty(fc.nat(20), broken, async (at, line) => {
      const good = Array.from({ length: 21 }, (_, i) => `u${i}@example.com,${i}`);
      const lines = ['email,n', ...good.slice(0, at), line, ...good.slice(at)];
      const result = await check(Buffer.from(lines.join('\n')));
      expect(result.rejected.map((row) => row.row)).toEqual([at + 2]);
      expect(result.accepted.map((row) => row.variables.n)).toEqual(good.map((_, i) => String(i)));
    }),
  );
});

test('no input crashes the parser', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 40 }),
      async (bytes, size) => {
        const result = await check(bytes, size);
        expect(result.accepted_count).toBeGreaterThanOrEqual(0);
      },
    ),
    { numRuns: 1000 },
  );
  const nasty = fc.string({
    unit: fc.constantFrom(
      '"',
      ',',
      ';',
      '\n',
      '\r',
      '\t',
      ' ',
      'a',
      '@',
      'é',
      '\0',
      'a@b.co',
      '{',
      '}',
      '[',
      ']',
      '\\',
    ),
    maxLength: 80,
  });
  await fc.assert(
    fc.asyncProperty(nasty, fc.integer({ min: 1, max: 20 }), async (text, size) => {
      await check(Buffer.from(`email,b\n${text}`), size);
      await check(Buffer.from(`[${text}`), size);
    }),
    { numRuns: 1000 },
  );
});

test('200 MB of random bytes end in a clear error, with little memory', async () => {
  let state = 1;
  async function* random(): AsyncGenerator<Buffer> {
    for (let sent = 0; sent < 200 * 1024 * 1024; sent += 1 << 20) {
      const block = Buffer.allocUnsafe(1 << 20);
      for (let i = 0; i < block.length; i += 4) {
        state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
        block.writeInt32LE(state | 0, i);
      }
      yield block;
    }
  }
  await expect(drain(random())).rejects.toThrowError(RecipientFileError);
}, 60_000);

test('200 MB without a line break, after a good header, need little memory and end with that row rejected', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    yield Buffer.from('email,x\na@example.com,"');
    const block = Buffer.alloc(1 << 20, 'x');
    for (let i = 0; i < 200; i++) yield block;
  }
  const before = process.memoryUsage().rss;
  const rejected = await drain(endless());
  expect(rejected).toMatchObject([{ row: 2 }]);
  expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(150);
}, 60_000);

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<{ row: number; reason: string }[]> {
  const rejected = [];
  const file = await readRecipients(bytes, { channel: 'email' });
  for await (const batch of file.rows) rejected.push(...batch.rejected);
  return rejected;
}

test('the address column is found by its header, or by --map, or said to be missing with what was found', async () => {
  const mapped = await checkRecipients(
    pieces(Buffer.from('Kontakt,Mail 2,n\na@example.com,x,1'), 9),
    { channel: 'email', addressColumn: 'kontakt' },
    10,
  );
  expect(mapped.accepted).toEqual([{ address: 'a@example.com', variables: { mail_2: 'x', n: '1' } }]);
  const missing = await check(Buffer.from('name,city\nAnn,Bonn'));
  expect(missing).toMatchObject({
    file_error: 'no_address_column',
    file_error_text: expect.stringContaining('"name", "city"'),
  });
});
