import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { afterEach, describe, expect, test } from 'vitest';
import { ReplyParser } from '../../src/adapters/providers/smtp/replies.ts';
import { SmtpProvider } from '../../src/adapters/providers/smtp/smtp.ts';
import { message } from '../support/message.ts';
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
