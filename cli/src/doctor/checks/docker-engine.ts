import { EXIT } from '../../cli-error.ts';
import { noEngine } from '../../runtimes/docker/engine.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

export const dockerEngine: Check = {
  id: 'docker-engine',
  category: 'docker',
  severity: 'critical',
  title: 'which Docker-compatible engine answers, and why the others do not',
  exitCode: EXIT.dockerNotRunning,
  async detect(facts) {
    const discovery = await facts.discovery();
    if (discovery.found)
      return ok(`${discovery.found.product} by ${discovery.found.source} (${discovery.found.host})`);
    const error = noEngine(discovery.tried);
    if (!facts.usesDocker)
      return error.id === 'docker_permission'
        ? skipped('see docker-permission')
        : skipped(`not needed: the stack runs without Docker (${error.message})`);
    if (error.id === 'docker_permission') return skipped('see docker-permission');
    return failed(error.message, error.fix!, { evidence: error.evidence });
  },
};
