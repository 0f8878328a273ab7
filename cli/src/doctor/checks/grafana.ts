import { EXIT } from '../../cli-error.ts';
import { fetchLocal } from '../../components/component.ts';
import { grafana as component } from '../../components/grafana.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** As infra/monitoring/grafana/provisioning names it. */
const DATASOURCE = 'prometheus';
const ASKED_WITHIN_MS = 2500;

/** Dashboards stay empty without a word when their data source is not reached. */
export const grafana: Check = {
  id: 'grafana',
  category: 'sender',
  severity: 'warning',
  title: 'whether Grafana reaches Prometheus',
  exitCode: EXIT.notRunning,
  needs: 'started',
  async detect(facts) {
    const entry = facts.plan.entries.find((one) => one.component.name === 'grafana')!;
    if (entry.presence.present !== true) return skipped('there is no Grafana in this stack');
    const { url, credentials } = component.access!(facts.plan.context(component));
    const login = Buffer.from(credentials!.replaceAll(' ', '').replace('/', ':')).toString('base64');
    const response = await fetchLocal(
      `${url}/api/datasources/uid/${DATASOURCE}/health`,
      { headers: { authorization: `Basic ${login}` } },
      ASKED_WITHIN_MS,
    ).catch(() => null);
    if (!response) return skipped('Grafana does not answer; see components');
    if (response.status === 401)
      return skipped(
        'Grafana’s password was changed; open Connections > Data sources to see whether it works',
      );
    if (response.status === 404)
      return failed(
        'Grafana does not know the data source of the dashboards.',
        'Its provisioning was not read; start it again: batchsender down, batchsender up',
      );
    const { status, message } = (await response.json()) as { status?: string; message?: string };
    if (response.ok && status === 'OK') return ok('Grafana reaches Prometheus');
    return failed(
      `Grafana does not reach Prometheus: ${message ?? `it answers ${response.status}`}.`,
      'See the checks "components" and "metrics"; Prometheus must run, and be reached from where Grafana runs.',
    );
  },
};
