import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { KEY, type TestWorker } from './worker.ts';

export interface ChildWorker extends TestWorker {
  process: ChildProcess;
  signal(signal: NodeJS.Signals): void;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const main = join(packageRoot(), 'dist/main.js');

/** Its depth differs between the sources and a bundle. */
function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** A worker as a process of its own, which can be killed. Needs the build. */
export async function spawnWorker(
  databaseUrl: string,
  env: Record<string, string> = {},
): Promise<ChildWorker> {
  const child = spawn(process.execPath, [main, 'serve'], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: databaseUrl,
      PORT: '0',
      LOG_LEVEL: 'info',
      LEASE_MS: '3000',
      ...env,
    },
    stdio: ['ignore', 'pipe', process.env.TEST_LOG ? 'inherit' : 'ignore'],
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const url = await new Promise<string>((resolve, reject) => {
    ended.then(({ code }) => reject(new Error(`the worker ended with ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (process.env.TEST_LOG) process.stderr.write(`${line}\n`);
      const found = /"url":"([^"]+)".*"worker is up"/.exec(line)?.[1];
      if (found) resolve(found);
    });
  });
  const signal = (name: NodeJS.Signals) => void child.kill(name);
  return {
    url,
    process: child,
    signal,
    ended,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        signal('SIGCONT');
        signal('SIGTERM');
      }
      await ended;
    },
    api: async <T>(method: string, path: string, body?: unknown) => {
      const raw = typeof body === 'string';
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${KEY}`,
          ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: (text ? JSON.parse(text) : null) as T };
    },
  };
}
