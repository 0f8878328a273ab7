import { DOCKER_PROXY, describeOwner, type PortHolder } from '../../stack/ports.ts';
import { DockerRuntime } from './docker-runtime.ts';
import { discoverEngine } from './engine.ts';

/** Names the container behind a published port, not the engine's helper process. */
export const portHolder: PortHolder = async (port, owner) => {
  if (owner && owner.name !== DOCKER_PROXY) return describeOwner(owner);
  const { found } = await discoverEngine(process.env).catch(() => ({ found: null }));
  const container = found && (await new DockerRuntime(found, () => true).containerOnPort(port));
  return container ?? (owner && describeOwner(owner));
};
