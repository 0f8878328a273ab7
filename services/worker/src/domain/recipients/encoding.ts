import { RecipientFileError } from './reason.ts';

/** Encodings a recipient file may be in, by their WHATWG label. */
export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252' | 'macintosh';

const ALIASES: Record<string, TextEncoding> = {
  utf8: 'utf-8',
  'utf-8': 'utf-8',
  'utf-16': 'utf-16le',
  utf16le: 'utf-16le',
  'utf-16le': 'utf-16le',
  utf16be: 'utf-16be',
  'utf-16be': 'utf-16be',
  'windows-1252': 'windows-1252',
  cp1252: 'windows-1252',
  latin1: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  macintosh: 'macintosh',
  macroman: 'macintosh',
  'mac-roman': 'macintosh',
};

/** The encoding a user's word means, or null. */
export function encodingOf(label: string): TextEncoding | null {
  return ALIASES[label.toLowerCase()] ?? null;
}

export interface Bom {
  encoding: TextEncoding;
  length: number;
}

export function readBom(head: Buffer): Bom | null {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return { encoding: 'utf-8', length: 3 };
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: 'utf-16le', length: 2 };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: 'utf-16be', length: 2 };
  return null;
}

/** Share of NUL bytes on one side from which a file without byte order mark is taken as UTF-16. */
const UTF16_NUL_SHARE = 0.3;

/** UTF-16 shows by NUL bytes at every second place; no other text file has them. */
export function looksLikeUtf16(head: Buffer): TextEncoding | null {
  let even = 0;
  let odd = 0;
  for (let i = 0; i < head.length; i++) {
    if (head[i] === 0) {
      if (i % 2) odd++;
      else even++;
    }
  }
  const pairs = head.length / 2;
  if (odd > pairs * UTF16_NUL_SHARE && even < odd / 10) return 'utf-16le';
  if (even > pairs * UTF16_NUL_SHARE && odd < even / 10) return 'utf-16be';
  return null;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Whether the bytes are valid UTF-8, leaving a sequence cut off at the end out of account. */
export function isUtf8(bytes: Buffer): boolean {
  try {
    utf8.decode(withoutCutSequence(bytes));
    return true;
  } catch {
    return false;
  }
}

function withoutCutSequence(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0xc0) return bytes.subarray(0, bytes.length - back);
    if ((byte & 0x80) === 0) break;
  }
  return bytes;
}

/** Bytes that Windows-1252 leaves undefined; text in it does not have them, Macintosh Roman does. */
const UNDEFINED_IN_1252 = new Set([0x81, 0x8d, 0x8f, 0x90, 0x9d]);

/**
 * The encoding of an ASCII superset, judged by bytes from the first non-ASCII one on. Everything before
 * reads alike in all candidates, which is why the choice can wait until then.
 */
export function detectSuperset(bytes: Buffer): TextEncoding {
  if (isUtf8(bytes)) return 'utf-8';
  let mac = false;
  for (const line of lines(bytes)) {
    if (!line.some((byte) => byte > 0x7f)) continue;
    if (isUtf8(line)) return 'utf-8';
    mac ||= line.some((byte) => UNDEFINED_IN_1252.has(byte));
  }
  return mac ? 'macintosh' : 'windows-1252';
}

function* lines(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let i = 0; i <= bytes.length; i++) {
    if (i === bytes.length || bytes[i] === 0x0a || bytes[i] === 0x0d) {
      if (i > start) yield bytes.subarray(start, i);
      start = i + 1;
    }
  }
}

/** 0x80-0x9f of Windows-1252 by the WHATWG index; the rest equals latin-1. */
const HIGH_CONTROLS_1252 =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

/** Node 20's own decoder treats windows-1252 as latin-1 and loses the euro sign and the quotes. */
function decode1252(cell: string): string {
  return cell.replace(/[\x80-\x9f]/g, (char) => HIGH_CONTROLS_1252[char.charCodeAt(0) - 0x80]!);
}

/** Decodes one cell held as a latin-1 string; null when the bytes do not fit the encoding. */
export function cellDecoder(encoding: TextEncoding): (cell: string) => string | null {
  if (encoding === 'windows-1252') return decode1252;
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return (cell) => {
    try {
      return decoder.decode(Buffer.from(cell, 'latin1'));
    } catch {
      return null;
    }
  };
}

/** UTF-16 as UTF-8 bytes, chunk by chunk. */
export async function* utf16ToUtf8(
  source: AsyncIterable<Buffer>,
  encoding: 'utf-16le' | 'utf-16be',
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for await (const chunk of source) yield Buffer.from(decoder.decode(chunk, { stream: true }));
    yield Buffer.from(decoder.decode());
  } catch (error) {
    if (error instanceof TypeError)
      throw new RecipientFileError('bad_encoding', `It is not valid ${encoding}.`);
    throw error;
  }
}
