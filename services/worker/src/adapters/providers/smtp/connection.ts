import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Reply, ReplyParser } from './replies.ts';

export interface ConnectionOptions {
  host: string;
  port: number;
  implicitTls: boolean;
  verifyCertificate: boolean;
}

/** RFC 5321 §4.5.3.2 allows minutes; a batch is better served by less. */
const CONNECT_TIMEOUT_MS = 15_000;

/** The connection ended, broke or timed out. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Bytes out, replies in, in order. One waits for a reply at a time. */
export class Connection {
  private socket: Socket;
  private parser = new ReplyParser();
  private readonly replies: Reply[] = [];
  private waiting: { resolve(reply: Reply): void; reject(error: Error): void } | null = null;
  private lost: ConnectionLost | null = null;
  private timer: NodeJS.Timeout | null = null;
  private readonly options: ConnectionOptions;

  private constructor(socket: Socket, options: ConnectionOptions) {
    this.socket = socket;
    this.options = options;
    this.listen(socket);
  }

  static open(options: ConnectionOptions): Promise<Connection> {
    const { host, port } = options;
    return new Promise((resolve, reject) => {
      const socket = options.implicitTls
        ? connectTls({ host, port, ...nameOf(host), rejectUnauthorized: options.verifyCertificate })
        : connectTcp({ host, port });
      const timer = setTimeout(
        () =>
          socket.destroy(
            new ConnectionLost('etimedout', `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`),
          ),
        CONNECT_TIMEOUT_MS,
      );
      socket.once('error', (error) => {
        clearTimeout(timer);
        reject(lostBy(error));
      });
      socket.once(options.implicitTls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        socket.setNoDelay(true);
        socket.removeAllListeners('error');
        resolve(new Connection(socket, options));
      });
    });
  }

  get usable(): boolean {
    return this.lost === null;
  }

  write(data: string | Buffer): void {
    if (this.lost) return;
    if (typeof data === 'string') this.socket.write(data, 'utf8');
    else this.socket.write(data);
  }

  /** The next reply. @throws ConnectionLost */
  reply(timeoutMs: number): Promise<Reply> {
    const ready = this.replies.shift();
    if (ready) return Promise.resolve(ready);
    if (this.lost) return Promise.reject(this.lost);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.timer = setTimeout(
        () => this.lose(new ConnectionLost('etimedout', `no reply within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
    });
  }

  /** Goes on encrypted, after the server agreed to STARTTLS; what it said before is forgotten. */
  async startTls(): Promise<void> {
    const plain = this.socket;
    plain.removeAllListeners();
    this.parser = new ReplyParser();
    this.replies.length = 0;
    await new Promise<void>((resolve, reject) => {
      const secure = connectTls(
        {
          socket: plain,
          host: this.options.host,
          ...nameOf(this.options.host),
          rejectUnauthorized: this.options.verifyCertificate,
        },
        () => {
          secure.removeAllListeners('error');
          this.socket = secure;
          this.listen(secure);
          resolve();
        },
      );
      secure.once('error', (error) => reject(lostBy(error)));
    });
  }

  close(): void {
    this.lose(new ConnectionLost('closed', 'closed by us'));
  }

  private listen(socket: Socket): void {
    socket.on('data', (chunk) => this.receive(chunk.toString('utf8')));
    socket.on('error', (error) => this.lose(lostBy(error)));
    socket.on('close', () => this.lose(new ConnectionLost('econnreset', 'the server closed the connection')));
  }

  private receive(text: string): void {
    try {
      this.replies.push(...this.parser.push(text));
    } catch (error) {
      this.lose(new ConnectionLost('protocol', (error as Error).message));
      return;
    }
    if (!this.waiting || this.replies.length === 0) return;
    const { resolve } = this.waiting;
    this.done();
    resolve(this.replies.shift()!);
  }

  private lose(error: ConnectionLost): void {
    if (this.lost) return;
    this.lost = error;
    this.socket.destroy();
    const waiting = this.waiting;
    this.done();
    waiting?.reject(error);
  }

  private done(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.waiting = null;
  }
}

function lostBy(error: NodeJS.ErrnoException): ConnectionLost {
  return error instanceof ConnectionLost
    ? error
    : new ConnectionLost((error.code ?? 'error').toLowerCase(), error.message);
}

/** RFC 6066 §3: the server name indication is a name, never an address. */
function nameOf(host: string): { servername?: string } {
  return isIP(host) ? {} : { servername: host };
}
