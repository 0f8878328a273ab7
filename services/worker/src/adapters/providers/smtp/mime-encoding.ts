/** RFC 2045 §6.7: an encoded line has at most 76 characters, its soft break included. */
const MAX_QP_LINE = 75;
/** RFC 2047 §2: an encoded word has at most 75 characters; `=?utf-8?B?` and `?=` take 12, base64 is 4 for 3. */
const MAX_WORD_BYTES = 45;
const FOLD_AT = 76;

/** Quoted-printable of text with CRLF line breaks. */
export function quotedPrintable(text: string): string {
  return text.split('\r\n').map(encodeLine).join('\r\n');
}

function encodeLine(line: string): string {
  const bytes = Buffer.from(line);
  const out: string[] = [];
  let current = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    const last = i === bytes.length - 1;
    const plain = (byte >= 33 && byte <= 126 && byte !== 61) || ((byte === 32 || byte === 9) && !last);
    const token = plain ? String.fromCharCode(byte) : `=${HEX[byte]}`;
    if (current.length + token.length > MAX_QP_LINE) {
      out.push(`${current}=`);
      current = '';
    }
    current += token;
  }
  out.push(current);
  return out.join('\r\n');
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, '0'));

/** Text as RFC 2047 encoded words, none of which splits a character. */
export function encodeWord(text: string): string[] {
  const words: string[] = [];
  let current = '';
  let bytes = 0;
  for (const char of text) {
    const size = Buffer.byteLength(char);
    if (bytes + size > MAX_WORD_BYTES) {
      words.push(current);
      current = '';
      bytes = 0;
    }
    current += char;
    bytes += size;
  }
  words.push(current);
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`);
}

/** ASCII header text folded at blanks; a word longer than a line is encoded, since it cannot be folded. */
export function foldText(text: string, nameLength: number): string {
  if (text.length + nameLength + 1 <= FOLD_AT) return ` ${text}`;
  let out = '';
  let length = nameLength;
  for (const word of text.split(' ')) {
    if (word.length > FOLD_AT * 10) return ` ${encodeWord(text).join('\r\n ')}`;
    // A line of blanks alone would not survive unfolding, so an empty word never starts one.
    const fold = length + word.length + 1 > FOLD_AT && length > nameLength && word !== '';
    out += fold ? `\r\n ${word}` : ` ${word}`;
    length = fold ? word.length + 1 : length + word.length + 1;
  }
  return out;
}
