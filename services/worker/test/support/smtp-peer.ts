import { createServer, type Socket } from 'node:net';

export interface PeerMail {
  from: string;
  to: string;
  /** As received, dot-unstuffed. */
  data: string;
}

export interface PeerBehaviour {
  pipelining?: boolean;
  eightBitMime?: boolean;
  smtpUtf8?: boolean;
  auth?: 'PLAIN' | 'LOGIN';
  /** Answers in pieces of this many bytes, 1 ms apart. */
  fragment?: number;
  /** A reply of its own for a recipient, or for the end of the message. */
  onRcpt?(to: string): string | null;
  onEnd?(mail: PeerMail, count: number): string | null | 'drop';
  onGreeting?(): string | null;
}

export interface SmtpPeer {
  port: number;
  mails: PeerMail[];
  /** Every command line, in order. */
  commands: string[];
  connections(): number;
  close(): Promise<void>;
}

/** A server of few words that can misbehave; checks that a client that was not offered pipelining does not pipeline. */
export async function startSmtpPeer(behaviour: PeerBehaviour = {}): Promise<SmtpPeer> {
  const mails: PeerMail[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    converse(socket, behaviour, mails, commands);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    mails,
    commands,
    connections: () => connections,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function converse(socket: Socket, behaviour: PeerBehaviour, mails: PeerMail[], commands: string[]): void {
  let buffer = '';
  let mode: 'command' | 'data' | 'login-user' | 'login-password' = 'command';
  let mail: PeerMail = { from: '', to: '', data: '' };
  let rcptOk = false;
  let out = Promise.resolve();
  const say = (text: string) => {
    const bytes = `${text}\r\n`;
    const size = behaviour.fragment ?? bytes.length;
    out = out.then(async () => {
      for (let at = 0; at < bytes.length; at += size) {
        if (!socket.destroyed) socket.write(bytes.slice(at, at + size));
        if (behaviour.fragment) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
  };
  say(behaviour.onGreeting?.() ?? '220 peer ready');
  socket.on('data', (chunk) => {
    buffer += chunk.toString('utf8');
    for (;;) {
      if (mode === 'data') {
        const end = buffer.startsWith('.\r\n') ? 0 : buffer.indexOf('\r\n.\r\n');
        if (end < 0) return;
        mail.data = buffer.slice(0, end === 0 ? 0 : end + 2).replace(/^\.\./gm, '.');
        buffer = buffer.slice(end === 0 ? 3 : end + 5);
        mode = 'command';
        const answer = rcptOk ? behaviour.onEnd?.(mail, mails.length) : '554 no valid recipients';
        if (answer === 'drop') {
          mails.push(mail);
          socket.destroy();
          return;
        }
        if (!answer || answer.startsWith('2')) mails.push(mail);
        mail = { from: '', to: '', data: '' };
        say(answer ?? '250 2.0.0 queued');
        continue;
      }
      const end = buffer.indexOf('\r\n');
      if (end < 0) return;
      const line = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      if (!behaviour.pipelining && buffer !== '') {
        say('503 5.5.0 you pipeline, I did not offer it');
        socket.end();
        return;
      }
      commands.push(line);
      command(line);
    }
  });

  function command(line: string): unknown {
    if (mode === 'login-user') {
      mode = 'login-password';
      return say('334 UGFzc3dvcmQ6');
    }
    if (mode === 'login-password') {
      mode = 'command';
      return say('235 2.7.0 ok');
    }
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO') {
      const offers = [
        'peer',
        ...(behaviour.pipelining ? ['PIPELINING'] : []),
        ...(behaviour.eightBitMime ? ['8BITMIME'] : []),
        ...(behaviour.smtpUtf8 ? ['SMTPUTF8'] : []),
        ...(behaviour.auth ? [`AUTH ${behaviour.auth}`] : []),
      ];
      return say(offers.map((offer, i) => `250${i === offers.length - 1 ? ' ' : '-'}${offer}`).join('\r\n'));
    }
    if (line === 'AUTH LOGIN') {
      mode = 'login-user';
      return say('334 VXNlcm5hbWU6');
    }
    if (verb === 'AUTH')
      return say(
        Buffer.from(line.slice(11), 'base64').toString() === '\0user\0pass'
          ? '235 2.7.0 ok'
          : '535 5.7.8 authentication failed',
      );
    if (verb === 'MAIL') {
      if (mail.from) return say('503 5.5.1 nested MAIL command');
      mail.from = /<(.*?)>/.exec(line)![1]!;
      rcptOk = false;
      return say('250 2.1.0 ok');
    }
    if (verb === 'RCPT') {
      mail.to = /<(.*)>/.exec(line)![1]!;
      const refusal = behaviour.onRcpt?.(mail.to);
      rcptOk = !refusal;
      return say(refusal ?? '250 2.1.5 ok');
    }
    if (verb === 'DATA') {
      if (!rcptOk && !behaviour.pipelining) return say('503 5.5.1 no valid recipients');
      if (!rcptOk) return say('554 5.5.1 no valid recipients');
      mode = 'data';
      return say('354 go ahead');
    }
    if (verb === 'RSET') {
      mail = { from: '', to: '', data: '' };
      return say('250 ok');
    }
    if (verb === 'QUIT') {
      say('221 bye');
      return socket.end();
    }
    return say('500 what?');
  }
}
