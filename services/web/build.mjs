import { build as bundle } from 'esbuild';
import { build } from 'vite';

await Promise.all([
  build({ logLevel: 'warn' }),
  bundle({
    entryPoints: { server: 'server/main.ts' },
    outdir: 'dist',
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
  }),
]);
