import { CliError, EXIT } from '../../cli-error.ts';
import type { Discovery } from '../../runtimes/docker/engine.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Engines from 25 on can look at a container's health early by themselves; older ones work as well. */
const COMFORTABLE_API = 1.44;

/** The versions of the engine's API that both sides know; without one nothing else of Docker can be asked. */
export const dockerVersion: Check = {
  id: 'docker-version',
  category: 'docker',
  severity: 'critical',
  title: 'whether the engine’s API is one that we speak',
  exitCode: EXIT.dockerUnsupported,
  async detect(facts) {
    let discovery: Discovery;
    try {
      discovery = await facts.discovery();
    } catch (error) {
      if (!(error instanceof CliError) || error.id !== 'docker_too_old') throw error;
      return facts.usesDocker ? failed(error.message, error.fix!) : skipped(`not needed: ${error.message}`);
    }
    if (!discovery.found) return skipped('no engine');
    const { product, apiVersion } = discovery.found;
    const old = Number(apiVersion) < COMFORTABLE_API ? '; an old one, and supported' : '';
    return ok(`${product}, spoken to in version ${apiVersion} of its API${old}`);
  },
};
