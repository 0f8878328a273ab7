import { EXIT } from '../../cli-error.ts';
import { prometheus } from '../../components/prometheus.ts';
import { worker } from '../../components/worker.ts';
import { type Check, failed, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

const FIRST_SCRAPE_WITHIN_MS = 15_000;

interface Target {
  labels: { job: string; instance: string };
  health: string;
  lastError: string;
}

/** The chain from the worker's metrics to Prometheus: public, scraped, and scraped from this stack. */
export const metrics: Check = {
  id: 'metrics',
  category: 'sender',
  severity: 'critical',
  title: 'whether /api/metrics is public and Prometheus scrapes it',
  exitCode: EXIT.notRunning,
  needs: 'worker',
  async detect(facts) {
    const response = await fetch(`${facts.workerUrl()}/api/metrics`);
    if (response.status === 401 || response.status === 403)
      return failed(
        `/api/metrics answers ${response.status}: it must be public, Prometheus has no key.`,
        'Something between here and the worker asks for one (a proxy, a changed route); let /api/metrics through.',
      );
    if (!response.ok || !(await response.text()).includes('batchsender_build_info'))
      return failed(
        `/api/metrics answers ${response.status}, and not with the worker's metrics.`,
        'Another program answers there; see: batchsender status',
      );
    const entry = facts.plan.entries.find(({ component }) => component.name === 'prometheus')!;
    if (entry.presence.present !== true) return ok('/api/metrics is public; there is no Prometheus');
    return targets(facts);
  },
};

async function targets(facts: DoctorFacts) {
  const url = prometheus.url(facts.plan.context(prometheus));
  const response = await fetch(`${url}/api/v1/targets?state=active`).catch(() => null);
  if (!response?.ok) return failed(`Prometheus does not answer at ${url}.`, 'batchsender up starts it.');
  const { data } = (await response.json()) as { data: { activeTargets: Target[] } };
  const workers = data.activeTargets.filter(({ labels }) => labels.job === 'worker');
  const port = new URL(facts.workerUrl()).port;
  const mine = workers.filter(
    ({ labels }) => labels.instance.endsWith(`:${port}`) || labels.instance === 'worker:6001',
  );
  const down = mine.find(({ health }) => health === 'down');
  if ((mine.length === 0 || down) && (await justStarted(facts)))
    return ok('/api/metrics is public; Prometheus has not scraped it since the worker started');
  if (mine.length === 0)
    return failed(
      `Prometheus scrapes ${workers.length ? workers.map(({ labels }) => labels.instance).join(', ') : 'no worker'}, and not this stack's worker on port ${port}.`,
      'batchsender up writes its targets again; a Prometheus of your own needs the worker as a target.',
    );
  if (down)
    return failed(
      `Prometheus cannot scrape ${down.labels.instance}: ${down.lastError}.`,
      facts.usesDocker
        ? 'Containers must reach the host; a firewall may be between. Or run the services as containers: --services container.'
        : 'See: batchsender logs worker, and docs/runbooks/target-down.md',
    );
  return ok(
    `/api/metrics is public, and Prometheus scrapes ${mine.map(({ labels }) => labels.instance).join(', ')}`,
  );
}

/** Prometheus looks for targets, and at them, every 5 s. */
async function justStarted(facts: DoctorFacts): Promise<boolean> {
  const runtime = (await facts.runtimes()).of(worker);
  const { since } = await runtime.observe(worker, facts.stack);
  return since !== null && Date.now() - Date.parse(since) < FIRST_SCRAPE_WITHIN_MS;
}
