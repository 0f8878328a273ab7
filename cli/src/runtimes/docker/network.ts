import { createServer } from 'node:net';
import type Docker from 'dockerode';
import type { Stack } from '../../stack/stack.ts';
import { LABEL, labelsFor, projectOf } from './labels.ts';

export interface StackNetwork {
  id: string;
  /**
   * Address of this host as the containers see it, on which a host process can listen; null where the engine runs in
   * a virtual machine: there host.docker.internal leads to our loopback.
   */
  hostAddress: string | null;
}

const mine = (stack: Stack) => ({ filters: { label: [`${LABEL.stack}=${stack.id}`] } });

/** The stack's own network, by id: names are not unique on engines before 25. */
export async function ensureNetwork(docker: Docker, stack: Stack): Promise<StackNetwork> {
  const [oldest] = (await docker.listNetworks(mine(stack))).sort((a, b) =>
    String(a.Created).localeCompare(String(b.Created)),
  );
  const id = oldest?.Id ?? (await create(docker, stack));
  const { IPAM } = (await docker.getNetwork(id).inspect()) as Docker.NetworkInspectInfo;
  const gateway = IPAM?.Config?.[0]?.Gateway?.split('/')[0] ?? null;
  return { id, hostAddress: gateway && (await isOurs(gateway)) ? gateway : null };
}

async function create(docker: Docker, stack: Stack): Promise<string> {
  const { subnet } = stack.state;
  const options = {
    Name: projectOf(stack),
    Driver: 'bridge',
    Labels: { ...labelsFor(stack), 'com.docker.compose.network': 'default' },
  };
  if (subnet) {
    try {
      const ipam = { Driver: 'default', Config: [{ Subnet: subnet }] };
      return (await docker.createNetwork({ ...options, IPAM: ipam })).id;
    } catch (error) {
      if (!/overlaps/i.test((error as Error).message)) throw error;
      // Another network has it by now: the engine finds one that is free.
      stack.state.subnet = null;
    }
  }
  return (await docker.createNetwork(options)).id;
}

/** Proved by binding: the list of interfaces lacks a bridge that no container is on yet. */
function isOurs(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: address, port: 0 }, () => server.close(() => resolve(true)));
  });
}

export async function removeNetworks(docker: Docker, stack: Stack): Promise<void> {
  for (const { Id } of await docker.listNetworks(mine(stack))) await docker.getNetwork(Id).remove();
}
