import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const SOURCES = ['cli/src', 'services/worker/src', 'services/web/src', 'services/web/server'];

test('the boundary checker sees every source file', () => {
  const report = JSON.parse(
    execFileSync(
      'npx',
      ['depcruise', '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...SOURCES],
      { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    ),
  ) as { modules: { source: string; dependencies: unknown[] }[] };
  const seen = new Set(report.modules.map((module) => module.source));
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...SOURCES], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => /\.tsx?$/.test(file));
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => !seen.has(file))).toEqual([]);
  expect(
    report.modules.find((module) => module.source === 'services/worker/src/serve.ts')!.dependencies.length,
  ).toBeGreaterThan(15);
}, 60_000);
