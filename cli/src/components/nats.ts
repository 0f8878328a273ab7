import { type Component, fetchLocal } from './component.ts';
import { firstAnswer } from './first-answer.ts';
import { findProgram } from './programs.ts';

export const nats: Component = {
  name: 'nats',
  title: 'NATS',
  kind: 'engine',
  ports: { '': 4222, monitor: 8222 },
  needs: [],
  readyWithinMs: 15_000,
  memoryMib: 32,
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
async function greeting(port: number): Promise<void> {
  const answer = await firstAnswer(port);
  if (!answer.startsWith('INFO ')) throw new Error(`not a NATS server: ${answer.slice(0, 60)}`);
}
