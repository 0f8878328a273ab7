import type { Attachment } from '../../../domain/content/attachment.ts';

const BASE64_LINE = 76;

/** The files of a batch as MIME parts, written once. */
export interface AttachedParts {
  /** Everything after the text of a mail: the parts and the closing boundaries. */
  bytes: Buffer;
  /** The same as latin-1 text, for the body hash. */
  text: string;
  /** Headers and body of the text, as the first part of the whole mail. */
  around(headers: string, body: string): [string, string];
}

/**
 * RFC 2046 mixed(related(text, inline files), files), with only the levels that are needed. The text of a mail
 * is the innermost first part, so everything after it is the same for every recipient.
 */
export function attachedParts(attachments: readonly Attachment[], newBoundary: () => string): AttachedParts {
  const inline = attachments.filter(({ contentId }) => contentId !== null);
  const files = attachments.filter(({ contentId }) => contentId === null);
  const levels = [
    ...(files.length ? [{ type: 'multipart/mixed', boundary: newBoundary(), parts: files }] : []),
    ...(inline.length ? [{ type: 'multipart/related', boundary: newBoundary(), parts: inline }] : []),
  ];
  const text = levels
    .toReversed()
    .map(
      ({ boundary, parts }) =>
        `${parts.map((one) => `--${boundary}\r\n${part(one)}`).join('')}--${boundary}--\r\n`,
    )
    .join('');
  return {
    bytes: Buffer.from(text, 'latin1'),
    text,
    around(headers, body) {
      let inner: [string, string] = [headers, body];
      for (const { type, boundary } of levels.toReversed())
        inner = [
          `Content-Type: ${type}; boundary="${boundary}"\r\n`,
          `--${boundary}\r\n${inner[0]}\r\n${inner[1]}\r\n`,
        ];
      return inner;
    },
  };
}

function part({ filename, contentType, contentId, base64 }: Attachment): string {
  const disposition = contentId === null ? 'attachment' : 'inline';
  const id = contentId === null ? '' : `Content-ID: <${contentId}>\r\n`;
  return (
    `Content-Type: ${contentType}\r\nContent-Transfer-Encoding: base64\r\n` +
    `Content-Disposition: ${disposition};\r\n ${filenameParameter(filename)}\r\n${id}\r\n` +
    `${base64.replace(new RegExp(`.{${BASE64_LINE}}(?=.)`, 'g'), '$&\r\n')}\r\n`
  );
}

/** RFC 2183, and RFC 2231 for names that are not ASCII. */
function filenameParameter(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\]/g, '_');
  if (plain === filename) return `filename="${plain}"`;
  const encoded = encodeURIComponent(filename).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `filename="${plain}";\r\n filename*=utf-8''${encoded}`;
}
