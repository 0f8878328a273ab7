import { createConnection } from 'node:net';
import { type Component, fetchLocal } from './component.ts';
import { findProgram } from './programs.ts';

export const nats: Component = {
  name: 'nats',
  title: 'NATS',
  kind: 'engine',
  ports: { '': 4222, monitor: 8222 },
  needs: [],
  readyWithinMs: 15_000,
  locate(env) {
    const found = findProgram(['nats-server'], env);
    return found
      ? { present: true, how: found.path }
      : { present: false, why: 'nats-server not found: dispatching from PostgreSQL' };
  },
  launch(context) {
    return {
      program: findProgram(['nats-server'], context.env)!.path,
      args: [
        '--addr',
        '127.0.0.1',
        '--port',
        String(context.port()),
        '--http_port',
        String(context.port('monitor')),
        '--jetstream',
        '--store_dir',
        context.stack.data('nats'),
      ],
      env: { PATH: context.env.PATH ?? '', GOMAXPROCS: '2' },
      cwd: context.stack.dir,
    };
  },
  async probe(context) {
    const health = await fetchLocal(
      `http://127.0.0.1:${context.port('monitor')}/healthz?js-enabled-only=true`,
    );
    if (!health.ok)
      throw new Error(`/healthz answered ${health.status}: ${(await health.text()).slice(0, 200)}`);
    await greeting(context.port());
  },
  url: (context) => `nats://127.0.0.1:${context.port()}`,
  access: (context) => ({
    url: `nats://127.0.0.1:${context.port()} (monitor http://127.0.0.1:${context.port('monitor')})`,
    credentials: null,
  }),
};

/** A NATS server speaks first: `INFO {…}`. */
function greeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 2000 });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.once('data', (data) =>
      end(
        data.toString().startsWith('INFO ')
          ? undefined
          : new Error(`not a NATS server: ${data.toString().slice(0, 60)}`),
      ),
    );
    socket.once('timeout', () => end(new Error('no greeting within 2 s')));
    socket.once('error', end);
  });
}
