import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
    clickhouseUrl: string;
  }
}

const cli = fileURLToPath(new URL('../../../cli/bin/batchsender.mjs', import.meta.url));
const batchsender = (...args: string[]) =>
  execFileSync(process.execPath, [cli, '--stack', 'worker-tests', '--json', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

/** Real PostgreSQL and ClickHouse for the integration tests, brought up by the product itself. */
export default function setup({
  provide,
}: {
  provide: (key: 'databaseUrl' | 'clickhouseUrl', value: string) => void;
}) {
  batchsender('up', '--only', 'postgres,clickhouse');
  const env = JSON.parse(batchsender('env')) as { DATABASE_URL: string; CLICKHOUSE_URL: string };
  provide('databaseUrl', env.DATABASE_URL);
  provide('clickhouseUrl', env.CLICKHOUSE_URL);
  return () => void batchsender('down', '--volumes');
}
