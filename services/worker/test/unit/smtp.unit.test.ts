import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { dkimOptions } from '../../src/adapters/providers/smtp/dkim.ts';
import { MailComposer } from '../../src/adapters/providers/smtp/mime.ts';
import { ReplyParser } from '../../src/adapters/providers/smtp/replies.ts';
import { SmtpProvider } from '../../src/adapters/providers/smtp/smtp.ts';
import type { OutgoingMessage } from '../../src/pipeline/provider.ts';
import { type PeerBehaviour, type SmtpPeer, startSmtpPeer } from '../support/smtp-peer.ts';

let peer: SmtpPeer;
let provider: SmtpProvider;
afterEach(async () => {
  await provider?.close();
  await peer?.close();
});

async function connect(behaviour: PeerBehaviour, settings: object = {}): Promise<void> {
  peer = await startSmtpPeer(behaviour);
  provider = new SmtpProvider({
    id: 'p',
    name: 'p',
    kind: 'smtp',
    limits: {},
    version: 1,
    settings: { host: '127.0.0.1', port: peer.port, tls: 'off', connections: 2, ...settings },
  });
}

function message(
  n: number,
  content: OutgoingMessage['content'] = {
    subject: `Hello ${n}`,
    text: `Text ${n}\n.\n..dots\n`,
    html: `<p>${n}</p>`,
  },
): OutgoingMessage {
  return {
    id: `b.${n}`,
    batchId: 'b',
    n,
    channel: 'email',
    to: `user${n}@example.com`,
    from: '"News" <news@example.com>',
    replyTo: null,
    vars: {},
    content,
  };
}

const sendAll = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => provider.send(message(i))));

const dialogues: [string, PeerBehaviour][] = [
  ['that pipelines', { pipelining: true }],
  ['that does not pipeline', {}],
  ['that answers in fragments', { pipelining: true, fragment: 3 }],
  ['that does neither, in fragments', { fragment: 1 }],
];

describe.each(dialogues)('a server %s', (_name, behaviour) => {
  test('gets every mail once, whole', async () => {
    await connect(behaviour);
    const outcomes = await sendAll(20);
    expect(outcomes.every((outcome) => outcome.kind === 'accepted')).toBe(true);
    expect(peer.mails.map((mail) => mail.to).sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `user${i}@example.com`).sort(),
    );
    for (const mail of peer.mails) {
      const n = /\d+/.exec(mail.to)![0];
      const parsed = await simpleParser(mail.data);
      expect(parsed).toMatchObject({ subject: `Hello ${n}`, html: `<p>${n}</p>` });
      expect(parsed.text).toBe(`Text ${n}\n.\n..dots\n`);
    }
    expect(peer.connections()).toBeLessThanOrEqual(2);
  });

  test('refuses one recipient among many without harm to the others', async () => {
    await connect({ ...behaviour, onRcpt: (to) => (/[37]@/.test(to) ? '550 5.1.1 User unknown' : null) });
    const outcomes = await sendAll(20);
    outcomes.forEach((outcome, n) => {
      if (n % 10 === 3 || n % 10 === 7)
        expect(outcome).toMatchObject({ kind: 'failed', code: 'smtp_550', suppress: true });
      else expect(outcome.kind).toBe('accepted');
    });
    expect(peer.mails.length).toBe(16);
  });

  test('drops the connection after the message: that one is uncertain, the others arrive once', async () => {
    await connect(
      { ...behaviour, onEnd: (mail) => (mail.to.startsWith('user5@') ? 'drop' : null) },
      { connections: 1 },
    );
    const outcomes = await sendAll(12);
    expect(outcomes[5]).toMatchObject({ kind: 'uncertain' });
    expect(outcomes.filter((outcome) => outcome.kind === 'accepted').length).toBe(11);
    expect(new Set(peer.mails.map((mail) => mail.to)).size).toBe(12);
    expect(peer.mails.length).toBe(12);
  });

  test('says "later" and "slow down" after the message', async () => {
    await connect({
      ...behaviour,
      onEnd: (mail) =>
        mail.to.startsWith('user1@')
          ? '451 4.7.1 Greylisted, try again in 60 seconds'
          : mail.to.startsWith('user2@')
            ? '454 Throttling failure: Maximum sending rate exceeded.'
            : null,
    });
    const outcomes = await sendAll(4);
    expect(outcomes[1]).toMatchObject({ kind: 'deferred', retryAfterMs: 60_000 });
    expect(outcomes[2]).toMatchObject({ kind: 'rate_limited' });
  });

  test('ends the session with 421 mid-pool: its mail is deferred, the rest goes on over a new session', async () => {
    await connect(
      { ...behaviour, onEnd: (_mail, count) => (count === 3 ? '421 4.3.2 closing' : null) },
      { connections: 1 },
    );
    const outcomes = await sendAll(10);
    expect(outcomes.filter((outcome) => outcome.kind === 'deferred').length).toBeGreaterThanOrEqual(1);
    expect(outcomes.filter((outcome) => outcome.kind === 'accepted').length).toBe(peer.mails.length);
    expect(new Set(peer.mails.map((mail) => mail.to)).size).toBe(peer.mails.length);
  });
});

test('a server that is not there leaves every message queued', async () => {
  await connect({});
  await peer.close();
  expect(await provider.send(message(1))).toMatchObject({ kind: 'unavailable', code: 'econnrefused' });
});

test('wrong credentials, and a server that blocks us, are about the provider', async () => {
  await connect({ pipelining: true, auth: 'PLAIN' }, { user: 'user', password: 'wrong' });
  expect(await provider.send(message(1))).toMatchObject({ kind: 'credentials_refused', code: 'smtp_535' });
  await provider.close();
  await peer.close();
  await connect({ onGreeting: () => '554 IP=192.0.2.13 - blocked' });
  expect(await provider.send(message(1))).toMatchObject({ kind: 'credentials_refused', code: 'smtp_554' });
  await provider.close();
  await peer.close();
  await connect({ onGreeting: () => '421 4.3.2 shutting down' });
  expect(await provider.send(message(1))).toMatchObject({ kind: 'unavailable' });
});

test.each(['PLAIN', 'LOGIN'] as const)('logs in with AUTH %s', async (auth) => {
  await connect({ pipelining: true, auth }, { user: 'user', password: 'pass' });
  expect((await provider.send(message(1))).kind).toBe('accepted');
});

test('addresses that need SMTPUTF8 fail without it and go with it', async () => {
  await connect({ pipelining: true });
  const one = { ...message(1), to: 'jörg@example.com' };
  expect(await provider.send(one)).toMatchObject({ kind: 'failed', code: 'smtputf8_unsupported' });
  await provider.close();
  await peer.close();
  await connect({ pipelining: true, smtpUtf8: true, eightBitMime: true });
  expect((await provider.send(one)).kind).toBe('accepted');
  expect(peer.commands.find((line) => line.startsWith('MAIL'))).toContain('SMTPUTF8');
  expect(peer.mails[0]!.to).toBe('jörg@example.com');
});

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
      const wire = data.replaceAll('\r\n..', '\r\n.').replace(/^\.\./, '.');
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

test('replies are cut correctly wherever the packets end', () => {
  const text = '250-peer\r\n250-PIPELINING\r\n250 8BITMIME\r\n354 go\r\n550\t5.1.1\tno\r\n221\r\n';
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 60, maxLength: 60 }), (sizes) => {
      const parser = new ReplyParser();
      const replies = [];
      let at = 0;
      for (const size of sizes) {
        replies.push(...parser.push(text.slice(at, at + size)));
        at += size;
      }
      replies.push(...parser.push(text.slice(at)));
      expect(replies.map((reply) => reply.code)).toEqual([250, 354, 550, 221]);
    }),
  );
  expect(() => new ReplyParser().push('HTTP/1.1 400 Bad Request\r\n')).toThrow('not an SMTP reply');
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
      const { data } = composer.compose(
        message(1, { subject: 'Grüße '.repeat(30), text, html: `<p>${text}</p>` }),
        true,
      );
      const wire = data.replaceAll('\r\n..', '\r\n.');
      const { results } = await dkimVerify(Buffer.from(wire), {
        resolver: async (name: string) => (name === 's1._domainkey.example.com' ? [[record]] : []),
      });
      expect(results.map((one: { status: { result: string } }) => one.status.result)).toEqual(['pass']);
    }
  },
);

test.each(['starttls', 'implicit'] as const)(
  'goes encrypted with %s, logs in, and refuses a certificate that does not verify',
  async (tls) => {
    const taken: { user: string | undefined; secure: boolean }[] = [];
    const server = new SMTPServer({
      secure: tls === 'implicit',
      onAuth: ({ username, password }, _session, done) =>
        password === 'pass' ? done(null, { user: username }) : done(new Error('no')),
      onData(stream, session, done) {
        stream.resume();
        stream.on('end', () => {
          taken.push({ user: session.user as string | undefined, secure: session.secure });
          done(null);
        });
      },
    });
    // It reports the handshake that we break off.
    server.on('error', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.server.address() as { port: number };
    const settings = { host: '127.0.0.1', port, tls, user: 'user', password: 'pass' };
    const config = { id: 'p', name: 'p', kind: 'smtp', limits: {}, version: 1 };
    provider = new SmtpProvider({ ...config, settings: { ...settings, verifyCertificate: false } });
    expect((await provider.send(message(1))).kind).toBe('accepted');
    expect(taken).toEqual([{ user: 'user', secure: true }]);
    await provider.close();
    provider = new SmtpProvider({ ...config, settings });
    expect(await provider.send(message(2))).toMatchObject({ kind: 'unavailable' });
    expect(taken.length).toBe(1);
    server.close(() => {});
  },
);
