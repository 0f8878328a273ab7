import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], extra: object = {}) => ({
  test: { name, include, ...extra },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', ['cli/**/*.unit.test.ts', 'services/**/*.unit.test.ts', 'services/**/*.cases.test.ts']),
      project('integration', ['cli/**/*.integration.test.ts', 'services/**/*.integration.test.ts'], {
        globalSetup: ['services/worker/test/engines.ts'],
        // They measure rates and kill processes: side by side they would disturb each other.
        fileParallelism: false,
        testTimeout: 60_000,
        hookTimeout: 60_000,
      }),
      project('e2e', ['cli/**/*.e2e.test.ts', 'services/**/*.e2e.test.ts'], {
        testTimeout: 180_000,
        hookTimeout: 120_000,
        fileParallelism: false,
      }),
    ],
  },
});
