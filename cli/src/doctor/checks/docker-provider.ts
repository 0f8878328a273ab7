import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

export const dockerProvider: Check = {
  id: 'docker-provider',
  category: 'docker',
  severity: 'warning',
  title: 'kind of the engine: rootless, Podman, on another machine',
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
    return ok(
      `${engine.product.split(' ')[0]}${rootless ? ', rootless' : ''} on ${info.OperatingSystem ?? 'an unknown system'}`,
    );
  },
};
