import { DOCKER_PROXY, describeOwner, type PortHolder } from '../../stack/ports.ts';
import { discoverEngine } from './engine.ts';
import { containerOnPort } from './port-conflict.ts';

/** Names the container behind a published port, not the engine's helper process. */
export const portHolder: PortHolder = async (port, owner) => {
  if (owner && owner.name !== DOCKER_PROXY) return describeOwner(owner);
  const { found } = await discoverEngine(process.env).catch(() => ({ found: null }));
  const container = found && (await containerOnPort(found.docker, port));
  return container ?? (owner && describeOwner(owner));
};
