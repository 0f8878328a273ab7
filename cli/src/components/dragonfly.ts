import { mkdirSync } from 'node:fs';
import type { Component } from './component.ts';
import { firstAnswer } from './first-answer.ts';
import { findProgram } from './programs.ts';

export const DRAGONFLY_PROGRAMS = ['dragonfly', 'valkey-server', 'redis-server'];
const MAX_MEMORY = '256mb';

export const dragonfly: Component = {
  name: 'dragonfly',
  title: 'Dragonfly',
  kind: 'engine',
  ports: { '': 6379 },
  needs: [],
  readyWithinMs: 15_000,
  memoryMib: 32,
  locate(env) {
    const found = findProgram(DRAGONFLY_PROGRAMS, env);
    return found
      ? { present: true, how: found.path }
      : {
          present: false,
          why: `${DRAGONFLY_PROGRAMS.join(', ')} not found: rate limits are held in the process`,
        };
  },
  async prepare(context) {
    mkdirSync(context.stack.data('dragonfly'), { recursive: true });
  },
  launch(context) {
    const found = findProgram(DRAGONFLY_PROGRAMS, context.env)!;
    const data = context.stack.data('dragonfly');
    const args =
      found.name === 'dragonfly'
        ? [
            '--bind',
            '127.0.0.1',
            '--port',
            String(context.port()),
            '--dir',
            data,
            '--maxmemory',
            MAX_MEMORY,
            '--proactor_threads',
            '1',
          ]
        : [
            '--bind',
            '127.0.0.1',
            '--port',
            String(context.port()),
            '--dir',
            data,
            '--maxmemory',
            MAX_MEMORY,
            '--save',
            '',
            '--appendonly',
            'no',
            '--daemonize',
            'no',
          ];
    return { program: found.path, args, env: { PATH: context.env.PATH ?? '' }, cwd: context.stack.dir };
  },
  probe: (context) => ping(context.port()),
  url: (context) => `redis://127.0.0.1:${context.port()}`,
  access: (context) => ({ url: `redis://127.0.0.1:${context.port()}`, credentials: null }),
};

/** RESP PING; a server that is loading its data answers LOADING. */
async function ping(port: number): Promise<void> {
  const answer = await firstAnswer(port, 'PING\r\n');
  if (!answer.startsWith('+PONG')) throw new Error(answer.trim().slice(0, 80));
}
