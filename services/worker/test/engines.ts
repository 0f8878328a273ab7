import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
    clickhouseUrl: string;
    /** Null when the program is not installed. */
    natsUrl: string | null;
    redisUrl: string | null;
  }
}

interface Project {
  provide(key: 'databaseUrl' | 'clickhouseUrl', value: string): void;
  provide(key: 'natsUrl' | 'redisUrl', value: string | null): void;
}

const cli = fileURLToPath(new URL('../../../cli/bin/batchsender.mjs', import.meta.url));
const batchsender = (...args: string[]) =>
  execFileSync(process.execPath, [cli, '--stack', 'worker-tests', '--json', ...args], {
    encoding: 'utf8',
    env: { ...process.env, BATCHSENDER_RUNTIME: 'embedded' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** Real engines for the integration tests, brought up by the product itself. */
export default function setup(project: Project) {
  batchsender('up', '--only', 'postgres,clickhouse,nats,dragonfly');
  const env = JSON.parse(batchsender('env')) as Record<'DATABASE_URL' | 'CLICKHOUSE_URL', string> & {
    NATS_URL?: string;
    REDIS_URL?: string;
  };
  project.provide('databaseUrl', env.DATABASE_URL);
  project.provide('clickhouseUrl', env.CLICKHOUSE_URL);
  project.provide('natsUrl', found('nats', env.NATS_URL, 'nats-server'));
  project.provide('redisUrl', found('redis', env.REDIS_URL, 'redis-server'));
  return () => void batchsender('down', '--volumes');
}

/** Null after a line that says what to install; an error when BATCHSENDER_REQUIRE names it. */
function found(name: string, url: string | undefined, debianPackage: string): string | null {
  if (url) return url;
  if ((process.env.BATCHSENDER_REQUIRE ?? '').split(',').includes(name))
    throw new Error(`${name} is required here and missing: apt-get install ${debianPackage}`);
  process.stderr.write(`skipped: ${name} is not installed (apt-get install ${debianPackage})\n`);
  return null;
}
