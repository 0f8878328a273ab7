import type { OutgoingMessage } from '../../src/pipeline/provider.ts';

/** A mail as the pipeline hands it to a provider. */
export function message(
  n: number,
  content: OutgoingMessage['content'] = {
    subject: `Hello ${n}`,
    text: `Text ${n}\n.\n..dots\n`,
    html: `<p>${n}</p>`,
  },
  more: Partial<OutgoingMessage> = {},
): OutgoingMessage {
  return {
    id: `b.${n}`,
    batchId: 'b',
    n,
    channel: 'email',
    to: `user${n}@example.com`,
    from: '"News" <news@example.com>',
    replyTo: null,
    headers: undefined,
    vars: {},
    content,
    attachments: [],
    ...more,
  };
}
