import { createGunzip } from 'node:zlib';
import {
  cellDecoder,
  detectSuperset,
  looksLikeUtf16,
  readBom,
  type TextEncoding,
  utf16ToUtf8,
} from './encoding.ts';
import { RecipientFileError } from './reason.ts';

/** Bytes looked at for byte order mark, UTF-16, binary content, format and delimiter. */
const HEAD_BYTES = 65_536;
/** Bytes from the first non-ASCII one on that decide between UTF-8, Windows-1252 and Macintosh Roman. */
const ENCODING_WINDOW_BYTES = 1_048_576;
/** Control characters that text has not, per byte, from which a file counts as binary. */
const BINARY_SHARE = 0.05;
const BINARY_MIN = 16;

/** A file as chunks of bytes in an ASCII superset, with its encoding as soon as that is known. */
export interface TextSource {
  head: Buffer;
  /** The head is the whole file. */
  headIsAll: boolean;
  chunks: AsyncIterable<Buffer>;
  /** Null while everything read so far was ASCII. */
  encoding(): TextEncoding | null;
  /** Decodes a cell held as latin-1; null when its bytes do not fit the encoding. */
  decode(cell: string): string | null;
}

/** Unpacks gzip, takes off the byte order mark, turns UTF-16 into UTF-8 and finds out the encoding. */
export async function openSource(
  bytes: AsyncIterable<Uint8Array>,
  given: TextEncoding | null,
): Promise<TextSource> {
  const unpacked = await gunzipIfPacked(toBuffers(bytes));
  const raw = await readHead(unpacked, HEAD_BYTES);
  const bom = readBom(raw.head);
  const encoding = given ?? bom?.encoding ?? looksLikeUtf16(raw.head);
  const body = bom && (given === null || given === bom.encoding) ? skip(raw.all, bom.length) : raw.all;
  if (encoding === 'utf-16le' || encoding === 'utf-16be') {
    return asSource(await readHead(utf16ToUtf8(body, encoding), HEAD_BYTES), 'utf-8', encoding);
  }
  return asSource(await readHead(body, HEAD_BYTES), encoding, encoding);
}

function asSource(file: Head, decodeAs: TextEncoding | null, reported: TextEncoding | null): TextSource {
  refuseBinary(file.head);
  let encoding = decodeAs;
  let decode = encoding ? cellDecoder(encoding) : null;
  const settle = (found: TextEncoding) => {
    encoding = found;
    decode = cellDecoder(found);
  };
  return {
    head: file.head,
    headIsAll: file.complete,
    chunks: encoding ? file.all : decidingEncoding(file.all, settle),
    encoding: () => (reported && encoding ? reported : encoding),
    decode: (cell) => (decode ? decode(cell) : cell),
  };
}

/** Passes ASCII on at once; holds back from the first other byte until the encoding is decided. */
async function* decidingEncoding(
  source: AsyncIterable<Buffer>,
  settle: (encoding: TextEncoding) => void,
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let settled = false;
  const release = () => {
    const window = Buffer.concat(held);
    settle(detectSuperset(window.subarray(firstNonAscii(window))));
    settled = true;
    held = [];
    return window;
  };
  for await (const chunk of source) {
    if (settled || (heldBytes === 0 && firstNonAscii(chunk) < 0)) {
      yield chunk;
      continue;
    }
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes >= ENCODING_WINDOW_BYTES) yield release();
  }
  if (held.length) yield release();
}

function firstNonAscii(bytes: Buffer): number {
  return bytes.toString('latin1').search(/[\x80-\xff]/);
}

function refuseBinary(head: Buffer): void {
  const controls = head.toString('latin1').match(/[\x00-\x08\x0e-\x1a\x1c-\x1f]/g)?.length ?? 0;
  if (controls >= BINARY_MIN && controls > head.length * BINARY_SHARE) {
    throw new RecipientFileError(
      'bad_encoding',
      'It looks like a binary file (a spreadsheet must be saved as CSV).',
    );
  }
}

interface Head {
  head: Buffer;
  complete: boolean;
  all: AsyncIterable<Buffer>;
}

/** The first bytes, and the whole stream again. */
async function readHead(source: AsyncIterable<Buffer>, bytes: number): Promise<Head> {
  const iterator = source[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  let length = 0;
  let complete = false;
  while (length < bytes && !complete) {
    const next = await iterator.next();
    if (next.done) complete = true;
    else {
      first.push(next.value);
      length += next.value.length;
    }
  }
  const buffered = Buffer.concat(first);
  return {
    head: buffered.subarray(0, bytes),
    complete: complete && length <= bytes,
    all: replay(buffered, iterator),
  };
}

async function* replay(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (first.length) yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

async function* skip(source: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const chunk of source) {
    const cut = Math.min(left, chunk.length);
    left -= cut;
    if (chunk.length > cut) yield chunk.subarray(cut);
  }
}

async function* toBuffers(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

async function gunzipIfPacked(source: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const { head, all } = await readHead(source, 2);
  if (head[0] !== 0x1f || head[1] !== 0x8b) return all;
  return gunzip(all);
}

async function* gunzip(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const unzip = createGunzip();
  const feeding = feed(packed, unzip);
  try {
    for await (const chunk of unzip) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    unzip.destroy();
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) {
      throw new RecipientFileError('bad_encoding', 'The gzip data is damaged.');
    }
    throw error;
  }
}

async function feed(
  source: AsyncIterable<Buffer>,
  target: NodeJS.WritableStream & { destroy(error?: Error): void },
) {
  try {
    for await (const chunk of source) {
      if (!target.write(chunk)) await new Promise<void>((resolve) => target.once('drain', resolve));
    }
    target.end();
  } catch (error) {
    target.destroy(error as Error);
  }
}
