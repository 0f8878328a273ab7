import { createConnection, createServer } from 'node:net';
import { CliError, EXIT } from '../cli-error.ts';
import type { Component } from '../components/component.ts';
import { ownerOf, type PortOwner } from './port-owner.ts';
import type { Stack } from './stack.ts';

/** A port that was taken, by whom, and what is used instead. */
export interface PortSubstitution {
  component: string;
  wanted: number;
  owner: PortOwner | null;
  /** Who that is, for people; null when it cannot be found out. */
  heldBy: string | null;
  used: number;
}

/** Says who holds a port, for people. */
export type PortHolder = (port: number, owner: PortOwner | null) => Promise<string | null>;

/** The engine's own process on a port that a container publishes. */
export const DOCKER_PROXY = 'docker-proxy';

/** Free ports are looked for from here on: above the defaults, below the ephemeral range of Linux. */
const FIRST_FREE_PORT = 20_000;
const LAST_FREE_PORT = 32_000;
const DIAL_MS = 250;

export function portKey(component: Component, name: string): string {
  return name ? `${component.name}.${name}` : component.name;
}

/**
 * Decides the ports of components that do not run yet: the remembered one, or the default, or, when that is
 * taken, a free one that the stack remembers from then on.
 *
 * @param fixed ports the user asked for; these are not replaced
 * @throws CliError `port_taken` for a fixed port
 */
export async function assignPorts(
  stack: Stack,
  components: Component[],
  fixed: Record<string, number>,
  holderOf: PortHolder = async (_port, owner) => owner && describeOwner(owner),
): Promise<PortSubstitution[]> {
  const substitutions: PortSubstitution[] = [];
  const used = new Set(Object.values(stack.state.ports));
  for (const component of components) {
    for (const [name, standard] of Object.entries(component.ports)) {
      const key = portKey(component, name);
      const wanted = fixed[key] ?? stack.state.ports[key] ?? standard;
      if (await isFree(wanted)) {
        stack.state.ports[key] = wanted;
        continue;
      }
      const owner = ownerOf(wanted);
      const heldBy = await holderOf(wanted, owner);
      if (fixed[key] !== undefined) throw portTaken(key, wanted, owner, heldBy);
      stack.state.ports[key] = await freePort(used);
      used.add(stack.state.ports[key]!);
      substitutions.push({ component: key, wanted, owner, heldBy, used: stack.state.ports[key]! });
    }
  }
  return substitutions;
}

function portTaken(key: string, port: number, owner: PortOwner | null, heldBy: string | null): CliError {
  return new CliError(
    'port_taken',
    EXIT.portTaken,
    `Port ${port} for ${key} is taken${heldBy ? ` by ${heldBy}` : ''}.`,
    {
      fix:
        owner?.pid && owner.name !== DOCKER_PROXY
          ? `Stop it (kill ${owner.pid}), choose another with --port ${key}=N, or leave --port out to get a free one.`
          : `Choose another with --port ${key}=N, or leave --port out to get a free one.`,
    },
  );
}

export function describeOwner(owner: PortOwner): string {
  return `${owner.name} (PID ${owner.pid}${owner.command ? `: ${owner.command}` : ''})`;
}

/** Free means: nobody listens on any address (binding `::` finds every owner on Linux), and nobody answers. */
export async function isFree(port: number): Promise<boolean> {
  return (await canBind(port, '::')) && !(await answers(port));
}

async function canBind(port: number, host: string): Promise<boolean> {
  const result = await new Promise<string | null>((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(null)));
  });
  if (result === 'EAFNOSUPPORT' || result === 'EADDRNOTAVAIL')
    return host === '::' ? canBind(port, '0.0.0.0') : false;
  return result === null;
}

/** Whether somebody takes a connection there. */
export function answers(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: DIAL_MS });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

async function freePort(used: Set<number>): Promise<number> {
  const start = FIRST_FREE_PORT + Math.floor(Math.random() * 8000);
  for (let port = start; port < LAST_FREE_PORT; port++)
    if (!used.has(port) && (await isFree(port))) return port;
  throw new CliError('no_free_port', EXIT.portTaken, `No free port between ${start} and ${LAST_FREE_PORT}.`, {
    fix: 'Name one with --port COMPONENT=N.',
  });
}
