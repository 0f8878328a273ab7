import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Component, type ComponentContext, fetchLocal } from './component.ts';
import { findProgram } from './programs.ts';

export const prometheus: Component = {
  name: 'prometheus',
  title: 'Prometheus',
  kind: 'monitoring',
  ports: { '': 9090 },
  needs: [],
  readyWithinMs: 30_000,
  locate(env) {
    const found = findProgram(['prometheus'], env);
    return found
      ? { present: true, how: found.path }
      : { present: false, why: 'prometheus not found: no history; the live numbers are at /api/metrics' };
  },
  async prepare(context) {
    mkdirSync(context.stack.data('prometheus'), { recursive: true });
    writeFileSync(configFile(context), stringify(configuration(context)));
  },
  launch(context) {
    return {
      program: findProgram(['prometheus'], context.env)!.path,
      args: [
        `--config.file=${configFile(context)}`,
        `--storage.tsdb.path=${context.stack.data('prometheus')}`,
        `--web.listen-address=127.0.0.1:${context.port()}`,
        '--storage.tsdb.retention.time=15d',
      ],
      env: { PATH: context.env.PATH ?? '', CONFIGURATION: fingerprint(context) },
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

function configFile(context: ComponentContext): string {
  return join(context.stack.dir, 'prometheus.yml');
}

const SCRAPE_INTERVAL = '5s';

function configuration(context: ComponentContext): object {
  const target = (url: string | null) => (url ? [new URL(url).host] : []);
  return {
    global: { scrape_interval: SCRAPE_INTERVAL, evaluation_interval: SCRAPE_INTERVAL },
    scrape_configs: [
      {
        job_name: 'worker',
        metrics_path: '/api/metrics',
        static_configs: [{ targets: [...target(context.urlOf('worker')), ...senderTargets(context)] }],
      },
      { job_name: 'prometheus', static_configs: [{ targets: [`127.0.0.1:${context.port()}`] }] },
    ],
  };
}

function senderTargets(context: ComponentContext): string[] {
  const { senders } = context.stack.state.selection;
  return Array.from({ length: senders - 1 }, (_, i) => context.urlOf(`sender-${i + 2}`)).flatMap((url) =>
    url ? [new URL(url).host] : [],
  );
}

/** Part of the environment, so that another configuration means a restart. */
function fingerprint(context: ComponentContext): string {
  return createHash('sha256')
    .update(stringify(configuration(context)))
    .digest('hex')
    .slice(0, 12);
}
