#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('batchsender is not built yet. Run: npm run build (or npm run up, which does it)\n');
  process.exit(22);
}
await import(main.href);
