import type { KnipConfig } from 'knip';

const config: KnipConfig = {
  workspaces: {
    '.': {},
    cli: {
      entry: [
        ...['src/main.ts', 'src/runtimes/embedded/clickhouse-front.ts', 'test/**/*.test.ts'],
        // Runs in an image.
        'test/dashboard-reader/reader.cjs',
      ],
      ignore: ['**/*.generated.ts'],
      // Loaded by name, where the platform has them.
      ignoreDependencies: ['chdb'],
      ignoreBinaries: ['dockerd', 'docker-compose', 'ip', 'ldd', 'mount', 'umount'],
    },
    'services/worker': {
      entry: ['src/main.ts', 'bench/*.ts', 'faults/main.ts', 'test/**/*.test.ts'],
      ignoreBinaries: ['redis-server'],
    },
    'services/web': { entry: ['server/main.ts'], ignore: ['**/*.generated.ts'] },
  },
  ignoreExportsUsedInFile: true,
};

export default config;
