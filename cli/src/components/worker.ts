import { join } from 'node:path';
import { checkoutRoot } from '../stack/stack.ts';
import { type Component, type ComponentContext, fetchLocal } from './component.ts';

export const WORKER_MAIN = join(checkoutRoot(), 'services/worker/dist/main.js');

/**
 * Megabytes of V8's heap. Without a limit V8 sizes its heap by the machine's memory and collects late: the peak of a
 * batch of a million was 280 MB, with these it is 155 MB, at the same speed (docs/benchmarks.md). Messages in flight
 * need far less than the limit. The image of the worker has the same.
 */
export const WORKER_NODE_FLAGS = ['--max-semi-space-size=8', '--max-old-space-size=1024'];

export const worker: Component = {
  name: 'worker',
  title: 'Worker',
  kind: 'service',
  ports: { '': 6001 },
  needs: ['postgres', 'clickhouse', 'nats', 'dragonfly'],
  readyWithinMs: 30_000,
  memoryMib: 160,
  locate: () => ({ present: true, how: 'API, planner, sender and tracker in one process' }),
  launch(context) {
    return {
      program: process.execPath,
      args: [...WORKER_NODE_FLAGS, WORKER_MAIN, 'serve'],
      env: workerEnv(context),
      cwd: context.stack.dir,
      files: [WORKER_MAIN],
    };
  },
  probe: (context) => probeHealth(context, `http://127.0.0.1:${context.port()}/health/ready`),
  url: (context) => `http://127.0.0.1:${context.port()}`,
  access: (context) => ({
    url: `http://127.0.0.1:${context.port()}/api/docs`,
    credentials: 'API key test-api-key',
  }),
  explain(lines) {
    const text = lines.join('\n');
    if (/EADDRINUSE/.test(text))
      return { why: 'its port was taken at the last moment', fix: 'Run: batchsender up' };
    const error = /"error":\{[^}]*"message":"([^"]+)"/.exec(text)?.[1];
    return error ? { why: error, fix: 'See: batchsender logs worker' } : null;
  },
};

/** The variable of each engine's address. */
export const engineUrls = {
  DATABASE_URL: 'postgres',
  CLICKHOUSE_URL: 'clickhouse',
  NATS_URL: 'nats',
  REDIS_URL: 'dragonfly',
} as const;

const PASSED_ON = [
  ...['NODE_ENV', 'LOG_LEVEL', 'LEASE_MS', 'NODE_OPTIONS', 'ROLES', 'PREFLIGHT_ABOVE', 'DNS_SERVERS'],
];

/** Settings of the worker that are taken over from the command's environment. */
export function passedOn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(PASSED_ON.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** A Prometheus in a container reaches a host process only on the address of the containers' network. */
export function metricsListen(context: ComponentContext): Record<string, string> {
  const { metricsHost } = context.stack.state;
  return metricsHost ? { METRICS_LISTEN: `${metricsHost}:${context.port()}` } : {};
}

/** Environment of the worker's program, for `serve` and for migrate and seed alike. */
export function workerEnv(context: ComponentContext): Record<string, string> {
  const { env } = context;
  const optional = {
    ...Object.fromEntries(
      Object.entries(engineUrls).map(([name, component]) => [name, context.urlOf(component)]),
    ),
    // Senders write links that lead to the worker's API; recipients elsewhere need a public address.
    PUBLIC_URL: env.PUBLIC_URL || context.urlOf('worker'),
  };
  return {
    PATH: env.PATH ?? '',
    ...passedOn(env),
    ...Object.fromEntries(
      Object.entries(optional).filter((entry): entry is [string, string] => entry[1] !== null),
    ),
    HOST: context.selection.host,
    PORT: String(context.port()),
    SECRET_KEY: context.stack.secrets.secretKey,
    STACK_ID: context.stack.id,
    ...metricsListen(context),
  };
}

/** The service answers, is ready, and is ours: another program may sit on the port. */
export async function probeHealth(context: ComponentContext, readyUrl: string): Promise<void> {
  const health = await fetchLocal(new URL('/health', readyUrl).href);
  const { stackId } = (await health.json()) as { stackId?: string };
  if (stackId !== context.stack.id) throw new Error(`another program answers on ${new URL(readyUrl).host}`);
  const ready = await fetchLocal(readyUrl, {}, 5000);
  if (!ready.ok)
    throw new Error(`/health/ready answered ${ready.status}: ${(await ready.text()).slice(0, 300)}`);
}
