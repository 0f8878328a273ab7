import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../cli-error.ts';
import {
  discoverEngine,
  type FailedCandidate,
  noEngine,
  silentCandidate,
  startCommand,
} from '../../runtimes/docker/engine.ts';
import { type Check, failed, ok, type Repair, skipped } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

/** An engine in a virtual machine takes its time. */
const STARTS_WITHIN_MS = 60_000;
const POLL_MS = 500;

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
    return failed(error.message, error.fix!, {
      evidence: error.evidence,
      repair: launch(discovery.tried, facts),
    });
  },
};

/** Starts the one that is there and silent, where that needs no password. */
function launch(tried: FailedCandidate[], { env }: DoctorFacts): Repair | undefined {
  const silent = silentCandidate(tried);
  const command = silent && startCommand(silent.candidate);
  if (!command) return undefined;
  const [program, ...args] = command as [string, ...string[]];
  return {
    title: `run "${command.join(' ')}"`,
    run: async () => {
      const { execa } = await import('execa');
      await execa(program, args, { env, timeout: STARTS_WITHIN_MS });
      const deadline = Date.now() + STARTS_WITHIN_MS;
      while (!(await discoverEngine(env)).found && Date.now() < deadline) await sleep(POLL_MS);
    },
  };
}
