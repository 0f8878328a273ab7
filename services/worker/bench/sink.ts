import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from './child.ts';
import { freePort } from './free-port.ts';

export type SinkKind = 'http' | 'smtp';
export const HTTP_CONCURRENCY = 64;
export const SMTP_CONNECTIONS = 10;
const POSTFIX_SINK = '/usr/sbin/smtp-sink';

/** The receiving end, as a process of its own: Postfix's smtp-sink where it is installed. */
export async function startSink(kind: SinkKind): Promise<{ port: number; stop(): Promise<void> }> {
  if (kind === 'smtp' && existsSync(POSTFIX_SINK)) {
    const port = await freePort();
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawn(POSTFIX_SINK, [...user, `127.0.0.1:${port}`, '1000'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await sleep(300);
    return { port, stop: async () => void child.kill('SIGTERM') };
  }
  const child = await startChild(
    process.execPath,
    [join(import.meta.dirname, `${kind}-sink.js`)],
    {},
    'port',
  );
  return { port: child.first.port as number, stop: child.stop };
}

/** The bare loop to the same sink; messages a second. */
export function runBare(kind: SinkKind, port: number, count: number): number {
  const concurrency = kind === 'http' ? HTTP_CONCURRENCY : SMTP_CONNECTIONS;
  const output = execFileSync(
    process.execPath,
    [join(import.meta.dirname, 'bare.js'), kind, String(port), String(count), String(concurrency)],
    { encoding: 'utf8' },
  );
  return (JSON.parse(output) as { perSecond: number }).perSecond;
}

/** Every message arrived once: the bare loop's and the pipeline's. */
export async function checkHttpSink(port: number, count: number): Promise<void> {
  const { requests, distinct } = (await (await fetch(`http://127.0.0.1:${port}/count`)).json()) as {
    requests: number;
    distinct: number;
  };
  await fetch(`http://127.0.0.1:${port}/reset`, { method: 'POST' });
  if (requests !== 2 * count || distinct !== 2 * count)
    throw new Error(`the sink saw ${requests} requests, ${distinct} distinct, of ${2 * count}`);
}
