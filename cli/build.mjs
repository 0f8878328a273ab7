import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

await build({
  entryPoints: { main: 'src/main.ts', 'clickhouse-front': 'src/runtimes/embedded/clickhouse-front.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: true,
  logLevel: 'warning',
  define: { 'process.env.BATCHSENDER_VERSION': JSON.stringify(version) },
});
