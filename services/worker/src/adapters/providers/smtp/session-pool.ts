import { ConnectionLost } from './connection.ts';
import {
  type Capabilities,
  type Delivery,
  type Mail,
  type SessionOptions,
  SessionRefused,
  SmtpSession,
} from './session.ts';

/** How a mail's turn ended: delivered or not by a session, or no session could be had for it. */
export type PoolResult = Delivery | { refused: SessionRefused } | { unreachable: ConnectionLost };

interface Job {
  mail: Mail;
  settle(result: PoolResult): void;
}

/** A session without work is closed after this, milliseconds. */
const IDLE_MS = 10_000;

/** Long-lived sessions, as many as allowed and needed, that share one queue. */
export class SessionPool {
  private readonly queue: Job[] = [];
  private readonly idle: { session: SmtpSession; timer: NodeJS.Timeout }[] = [];
  private readonly running = new Set<Promise<void>>();
  private known: Capabilities | null = null;
  private closed = false;
  private readonly options: SessionOptions;
  private readonly max: number;

  constructor(options: SessionOptions, max: number) {
    this.options = options;
    this.max = max;
  }

  /** What the server offered last; null before the first session. */
  get capabilities(): Capabilities | null {
    return this.known;
  }

  /** Opens a session (kept for later) to learn what the server offers. @throws ConnectionLost, SessionRefused */
  async connect(): Promise<Capabilities> {
    const session = await SmtpSession.open(this.options);
    this.known = session.capabilities;
    this.rest(session);
    return session.capabilities;
  }

  deliver(mail: Mail): Promise<PoolResult> {
    return new Promise((settle) => {
      this.queue.push({ mail, settle });
      if (this.running.size < this.max) this.startSession();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.running);
    const resting = this.idle.splice(0);
    for (const { timer } of resting) clearTimeout(timer);
    await Promise.all(resting.map(({ session }) => session.quit()));
  }

  private startSession(): void {
    const run = this.work().finally(() => {
      this.running.delete(run);
      // A job that came while the last session was ending must not wait for the next one.
      if (this.queue.length > 0 && this.running.size < this.max) this.startSession();
    });
    this.running.add(run);
  }

  /** Delivers until the queue is empty or the session ends. */
  private async work(): Promise<void> {
    const session = await this.session();
    if (!session) return;
    for (let job = this.queue.shift(), next: Job | undefined; job; job = next ?? this.queue.shift()) {
      next = undefined;
      const result = await session.deliver(job.mail, () => {
        // Announced on this session, so it is taken: no other session may have it.
        next = this.queue.shift();
        return next?.mail ?? null;
      });
      job.settle(result);
      if ('lost' in result || !session.usable || ('reply' in result && result.reply.code === 421)) {
        // Its commands went out, its message did not: another session delivers it.
        if (next) this.queue.unshift(next);
        await session.quit();
        return;
      }
    }
    this.rest(session);
  }

  private async session(): Promise<SmtpSession | null> {
    const resting = this.idle.pop();
    if (resting) {
      clearTimeout(resting.timer);
      if (resting.session.usable) return resting.session;
    }
    try {
      const session = await SmtpSession.open(this.options);
      this.known = session.capabilities;
      return session;
    } catch (error) {
      const result: PoolResult =
        error instanceof SessionRefused
          ? { refused: error }
          : {
              unreachable:
                error instanceof ConnectionLost
                  ? error
                  : new ConnectionLost('error', (error as Error).message),
            };
      // Other sessions may go on: only when none does is there nobody to wait for.
      if (this.running.size <= 1) for (const job of this.queue.splice(0)) job.settle(result);
      return null;
    }
  }

  private rest(session: SmtpSession): void {
    if (this.closed) {
      void session.quit();
      return;
    }
    const entry = { session, timer: setTimeout(() => this.dismiss(entry), IDLE_MS) };
    entry.timer.unref();
    this.idle.push(entry);
  }

  private dismiss(entry: { session: SmtpSession; timer: NodeJS.Timeout }): void {
    const at = this.idle.indexOf(entry);
    if (at >= 0) this.idle.splice(at, 1);
    void entry.session.quit();
  }
}
