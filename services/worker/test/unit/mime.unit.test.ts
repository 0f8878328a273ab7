import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { dkimOptions } from '../../src/adapters/providers/smtp/dkim.ts';
import { MailComposer } from '../../src/adapters/providers/smtp/mime.ts';
import type { Attachment } from '../../src/domain/content/attachment.ts';
import { message } from '../support/message.ts';

/** What a server hands on: dots taken back, files appended. */
function asReceived({ data, attached }: { data: string; attached: Buffer | null }): string {
  const text = data.replaceAll('\r\n..', '\r\n.').replace(/^\.\./, '.');
  return text + (attached?.toString('latin1') ?? '');
}

test('any text survives composing and parsing, in every encoding', async () => {
  const composer = new MailComposer();
  const line = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.constantFrom(
      '.',
      '..',
      '.x',
      '',
      'x'.repeat(1500),
      'ü'.repeat(600),
      'a = b =3D ',
      'trailing  ',
      'From me',
      '--=_b',
      '\t',
    ),
  );
  const text = fc
    .array(line, { maxLength: 8 })
    .map((lines) => lines.join('\n').replace(/[\0\r\u2028\u2029]|\p{Surrogate}/gu, ''));
  const subject = fc
    .oneof(
      fc.string({ unit: 'grapheme', maxLength: 120 }),
      fc.constantFrom('=?utf-8?B?x?=', 'word '.repeat(60), 'ü'.repeat(200), 'x'.repeat(900)),
    )
    .map((value) =>
      value
        .replace(/\p{Cc}|\p{Surrogate}|[\u2028\u2029]/gu, '')
        .replace(/\s+/g, ' ')
        .trim(),
    );
  await fc.assert(
    fc.asyncProperty(subject, text, text, fc.boolean(), async (subjectText, plain, html, eightBit) => {
      const { data, needs8BitMime } = composer.compose(
        message(1, { subject: subjectText, text: plain, html }),
        eightBit,
      );
      for (const one of data.split('\r\n')) expect(Buffer.byteLength(one)).toBeLessThanOrEqual(998);
      expect(/[^\r]\n|\r[^\n]/.test(data)).toBe(false);
      if (!eightBit) expect(needs8BitMime).toBe(false);
      const wire = asReceived({ data, attached: null });
      expect(data).not.toContain('\r\n.\r\n');
      const parsed = await simpleParser(wire, {
        skipTextToHtml: true,
        skipHtmlToText: true,
        skipTextLinks: true,
      });
      expect((parsed.subject ?? '').replace(/\s+/g, ' ')).toBe(subjectText);
      expect(withoutEnd(parsed.text ?? '')).toBe(withoutEnd(plain));
      expect(withoutEnd(parsed.html || '')).toBe(withoutEnd(html));
      // A second parser, written by others.
      const second = await PostalMime.parse(wire);
      expect((second.subject ?? '').replace(/\s+/g, ' ').trim()).toBe(subjectText);
      expect(withoutEnd(second.text ?? '')).toBe(withoutEnd(plain));
      expect(withoutEnd(second.html ?? '')).toBe(withoutEnd(html));
    }),
    { numRuns: 2000 },
  );
});

/** A text part ends with a line break, whether the text did or not. */
function withoutEnd(text: string): string {
  return text.replace(/\n+$/, '');
}

const bytes = fc.uint8Array({ maxLength: 3000 });
const file = fc.record({
  filename: fc.oneof(
    fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .map((name) => name.replace(/\p{Cc}|\p{Surrogate}|[/\\]/gu, '').trim() || 'x'),
    fc.constantFrom('report.pdf', 'Größe 100%.txt', 'a"b\'c.csv', '日本語.png'),
  ),
  contentType: fc.constantFrom(
    'application/pdf',
    'image/png',
    'text/plain; charset=utf-8',
    'application/octet-stream',
  ),
  inline: fc.boolean(),
  bytes,
});

test('attachments and inline files survive, whatever their bytes and names, and so does the text beside them', async () => {
  const content = fc.constantFrom(
    { subject: 's', text: 'plain ü', html: '<p>html <img src="cid:part0"></p>' },
    { subject: 's', html: '<p>only html</p>' },
    { subject: 's', text: '.\n..\nonly text' },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 4 }), content, async (files, parts) => {
      const attachments: Attachment[] = files.map(({ inline, bytes: content, ...one }, i) => ({
        ...one,
        // Text that is inline is part of the text for mail programs, not a file.
        contentType: inline ? 'image/png' : one.contentType,
        contentId: inline ? `part${i}` : null,
        base64: Buffer.from(content).toString('base64'),
      }));
      const composed = new MailComposer().compose(message(1, parts, { attachments }), true);
      const wire = asReceived(composed);
      for (const line of wire.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(998);
      const raw = Buffer.from(wire);
      const first = await simpleParser(raw, {
        skipTextToHtml: true,
        skipHtmlToText: true,
        skipTextLinks: true,
        keepCidLinks: true,
      });
      const second = await PostalMime.parse(raw);
      const expected = attachments.map((one) => [one.filename, one.base64, one.contentId].join()).sort();
      const inFirst = first.attachments.map(({ filename, content: body, cid }) =>
        [filename, body.toString('base64'), cid].join(),
      );
      const inSecond = second.attachments.map(({ filename, content: body, contentId }) =>
        [filename, Buffer.from(body as ArrayBuffer).toString('base64'), contentId?.slice(1, -1)].join(),
      );
      expect(inFirst.sort()).toEqual(expected);
      expect(inSecond.sort()).toEqual(expected);
      for (const parsed of [first, second]) {
        expect(withoutEnd(parsed.text ?? '')).toBe(parts.text ?? '');
        expect(withoutEnd(parsed.html || '')).toBe(parts.html ?? '');
      }
    }),
    { numRuns: 300 },
  );
});

test('custom headers are written, encoded and folded, and cannot bring in others', async () => {
  const headers = {
    'X-Campaign': 'spring',
    'X-Name': 'Jörg '.repeat(20).trim(),
    'List-Unsubscribe': `<https://example.com/u/${'x'.repeat(300)}>`,
  };
  const { headers: parsed } = await simpleParser(
    asReceived(new MailComposer().compose(message(1, undefined, { headers }), true)),
  );
  expect(parsed.get('x-campaign')).toBe('spring');
  const words = String(parsed.get('x-name')).match(/(?<=\?B\?)[^?]+/g)!;
  expect(Buffer.concat(words.map((word) => Buffer.from(word, 'base64'))).toString()).toBe(headers['X-Name']);
  expect(JSON.stringify(parsed.get('list'))).toContain('x'.repeat(300));
});

test.each(['rsa', 'ed25519'] as const)(
  'signs with DKIM (%s) so that an independent verifier passes it',
  async (type) => {
    const { privateKey, publicKey } =
      type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const composer = new MailComposer(dkimOptions('example.com', 's1', pem));
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const key = type === 'rsa' ? spki : spki.subarray(-32);
    const record = `v=DKIM1; k=${type}; p=${key.toString('base64')}`;
    for (const text of ['plain\n', '.\n..dots  and   blanks \n\n\n', 'ünïcode '.repeat(200), '']) {
      const content = { subject: 'Grüße '.repeat(30), text, html: `<p>${text}</p>` };
      const attachments = text.startsWith('plain')
        ? [{ filename: 'two  blanks.txt', contentType: 'text/plain', contentId: null, base64: 'AAAA' }]
        : [];
      const headers = {
        'List-Unsubscribe': '<https://example.com/u/x>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      };
      const composed = composer.compose(message(1, content, { attachments, headers }), true);
      const wire = asReceived(composed);
      expect(/h=[^;]*list-unsubscribe:list-unsubscribe-post/s.test(wire)).toBe(true);
      const { results } = await dkimVerify(Buffer.from(wire), {
        resolver: async (name: string) => (name === 's1._domainkey.example.com' ? [[record]] : []),
      });
      expect(results.map((one: { status: { result: string } }) => one.status.result)).toEqual(['pass']);
    }
  },
);
