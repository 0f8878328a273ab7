import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMetrics, listenForMetrics } from './metrics.ts';
import { buildServer } from './server.ts';

const {
  HOST = '127.0.0.1',
  PORT = '3000',
  WORKER_URL = 'http://127.0.0.1:6001',
  STACK_ID = '',
  METRICS_LISTEN = '',
} = process.env;
const staticDir = join(import.meta.dirname, 'app');
if (!existsSync(join(staticDir, 'index.html'))) {
  process.stderr.write(
    '{"error":{"code":"not_built","message":"The dashboard is not built.","fix":"npm run build"}}\n',
  );
  process.exit(22);
}
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
  version: string;
};
const metrics = createMetrics(version);
const server = await buildServer({ workerUrl: WORKER_URL, staticDir, stackId: STACK_ID, version, metrics });
if (METRICS_LISTEN) await listenForMetrics(METRICS_LISTEN, metrics);
await server.listen({ host: HOST, port: Number(PORT) });
process.stdout.write(`dashboard on http://${HOST}:${PORT}, worker at ${WORKER_URL}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => server.close().then(() => process.exit(0)));
