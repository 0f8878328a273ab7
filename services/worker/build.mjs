import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

// The image has the program alone.
const measuring = process.argv.includes('--program')
  ? {}
  : {
      'bench/main': 'bench/main.ts',
      'bench/http-sink': 'bench/http-sink.ts',
      'bench/smtp-sink': 'bench/smtp-sink.ts',
      'bench/bare': 'bench/bare.ts',
      'faults/main': 'faults/main.ts',
    };

await build({
  entryPoints: { main: 'src/main.ts', ...measuring },
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
