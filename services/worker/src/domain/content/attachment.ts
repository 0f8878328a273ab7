/** A file that goes with every message of a batch. */
export interface Attachment {
  filename: string;
  contentType: string;
  /** Set for inline files, which HTML shows as `cid:…`. */
  contentId: string | null;
  /** Base64 without line breaks; encoded once, since every message carries the same. */
  base64: string;
}

/** Decoded, all files of a batch together; mail providers take 10 to 40 MB with the third that base64 adds. */
export const MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024;
export const MAX_ATTACHMENTS = 20;

export function attachmentBytes(attachments: readonly Attachment[]): number {
  return attachments.reduce((sum, { base64 }) => sum + decodedBytes(base64), 0);
}

/** Bytes that base64 text stands for. */
function decodedBytes(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
