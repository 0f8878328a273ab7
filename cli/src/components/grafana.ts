import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Component, fetchLocal } from './component.ts';
import { GRAFANA_DASHBOARDS, GRAFANA_PROVISIONING } from './monitoring-files.ts';
import { findProgram } from './programs.ts';

export const grafana: Component = {
  name: 'grafana',
  title: 'Grafana',
  kind: 'monitoring',
  ports: { '': 3003 },
  needs: ['prometheus'],
  readyWithinMs: 60_000,
  memoryMib: 150,
  locate(env) {
    const found = findProgram(['grafana', 'grafana-server'], env);
    return found
      ? { present: true, how: found.path }
      : { present: false, why: 'grafana not found: no dashboards; Prometheus has the numbers behind them' };
  },
  async prepare(context) {
    mkdirSync(context.stack.data('grafana'), { recursive: true });
  },
  launch(context) {
    const found = findProgram(['grafana', 'grafana-server'], context.env)!;
    const home = context.env.GF_PATHS_HOME ?? join(dirname(dirname(found.path)), 'share', 'grafana');
    return {
      program: found.path,
      args: [...(found.name === 'grafana' ? ['server'] : []), '--homepath', home],
      env: {
        PATH: context.env.PATH ?? '',
        GF_SERVER_HTTP_ADDR: '127.0.0.1',
        GF_SERVER_HTTP_PORT: String(context.port()),
        GF_PATHS_DATA: context.stack.data('grafana'),
        GF_PATHS_PROVISIONING: GRAFANA_PROVISIONING,
        GF_SECURITY_ADMIN_PASSWORD: 'admin',
        PROMETHEUS_URL: context.urlOf('prometheus') ?? '',
        DASHBOARDS_PATH: GRAFANA_DASHBOARDS,
        GF_ANALYTICS_REPORTING_ENABLED: 'false',
        GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
      },
      cwd: context.stack.dir,
    };
  },
  async probe(context) {
    const health = await fetchLocal(`http://127.0.0.1:${context.port()}/api/health`);
    const body = (await health.json()) as { database?: string };
    if (body.database !== 'ok') throw new Error(`/api/health says database ${body.database}`);
  },
  url: (context) => `http://127.0.0.1:${context.port()}`,
  access: (context) => ({ url: `http://127.0.0.1:${context.port()}`, credentials: 'admin / admin' }),
};
