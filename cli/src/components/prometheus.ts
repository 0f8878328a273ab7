import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Component, type ComponentContext, type ComponentName, fetchLocal } from './component.ts';
import { DRAGONFLY_PROGRAMS } from './dragonfly.ts';
import { fingerprint, prometheusConfiguration, scrapeTargets } from './monitoring-files.ts';
import { findProgram } from './programs.ts';

export const prometheus: Component = {
  name: 'prometheus',
  title: 'Prometheus',
  kind: 'monitoring',
  ports: { '': 9090 },
  needs: [],
  readyWithinMs: 30_000,
  memoryMib: 80,
  locate(env) {
    const found = findProgram(['prometheus'], env);
    return found
      ? { present: true, how: found.path }
      : { present: false, why: 'prometheus not found: no history; the live numbers are at /api/metrics' };
  },
  async prepare(context) {
    mkdirSync(context.stack.data('prometheus'), { recursive: true });
    const folder = configFolder(context);
    mkdirSync(join(folder, 'targets'), { recursive: true });
    writeFiles(folder, prometheusConfiguration());
    writeFiles(folder, scrapeTargets(context, addressOf(context)));
  },
  refresh: async (context) => writeFiles(configFolder(context), scrapeTargets(context, addressOf(context))),
  launch(context) {
    return {
      program: findProgram(['prometheus'], context.env)!.path,
      args: [
        `--config.file=${join(configFolder(context), 'prometheus.yml')}`,
        `--storage.tsdb.path=${context.stack.data('prometheus')}`,
        `--web.listen-address=127.0.0.1:${context.port()}`,
        '--storage.tsdb.retention.time=15d',
      ],
      env: {
        PATH: context.env.PATH ?? '',
        // Another configuration means a restart; other targets do not.
        CONFIGURATION: fingerprint(prometheusConfiguration()),
      },
      cwd: context.stack.dir,
    };
  },
  async probe(context) {
    const ready = await fetchLocal(`http://127.0.0.1:${context.port()}/-/ready`);
    if (!ready.ok) throw new Error(`/-/ready answered ${ready.status}`);
  },
  url: (context) => `http://127.0.0.1:${context.port()}`,
  access: (context) => ({ url: `http://127.0.0.1:${context.port()}`, credentials: null }),
};

function writeFiles(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

function configFolder(context: ComponentContext): string {
  return join(context.stack.dir, 'prometheus');
}

/** Where this Prometheus, a process on the same host, finds a component's metrics. */
function addressOf(context: ComponentContext) {
  return (component: ComponentName): string | null => {
    // The embedded ClickHouse and Redis or Valkey have no metrics of their own.
    if (component === 'clickhouse') return null;
    if (component === 'dragonfly' && findProgram(DRAGONFLY_PROGRAMS, context.env)?.name !== 'dragonfly')
      return null;
    const url = context.urlOf(component);
    return url && new URL(url).host;
  };
}
