import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Engines from 23 on start health checks early by themselves; older ones work, slower. */
const COMFORTABLE_API = 1.44;

export const dockerProvider: Check = {
  id: 'docker-provider',
  category: 'docker',
  severity: 'warning',
  title: 'kind and version of the engine: rootless, Podman, on another machine',
  exitCode: EXIT.dockerUnsupported,
  async detect(facts) {
    const engine = await facts.engine();
    if (!engine) return skipped('no engine');
    if (engine.remote)
      return failed(
        `The engine at ${engine.host} is on another machine: what it publishes on its loopback is out of reach from here.`,
        'Use a local engine, or --runtime embedded.',
      );
    const info = (await facts.engineInfo())!;
    const rootless = info.SecurityOptions?.some((option) => option.includes('rootless')) ?? false;
    const old = Number(engine.apiVersion) < COMFORTABLE_API ? ', old but supported' : '';
    return ok(
      `${engine.product} (API ${engine.apiVersion}${old})${rootless ? ', rootless' : ''} on ${info.OperatingSystem ?? 'an unknown system'}`,
    );
  },
};
