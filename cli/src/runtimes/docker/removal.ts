import type Docker from 'dockerode';
import type { Stack } from '../../stack/stack.ts';
import { LABEL } from './labels.ts';
import { removeNetworks } from './network.ts';
import { removeVolumes } from './volumes.ts';

/** The engine's own, when a container says nothing. */
const DEFAULT_GRACE_SECONDS = 10;
/** On top of the container's own time to stop, for the engine's work. */
const STOP_MARGIN_MS = 5000;

/** @param graceSeconds the container's own time to stop when absent */
export async function removeContainer(docker: Docker, id: string, graceSeconds?: number): Promise<void> {
  const container = docker.getContainer(id);
  const { Config } = await container.inspect().catch(() => ({ Config: {} }));
  const seconds = graceSeconds ?? (Config as { StopTimeout?: number }).StopTimeout ?? DEFAULT_GRACE_SECONDS;
  await Promise.race([
    container.stop({ t: seconds }).catch(unlessGone),
    new Promise((resolve) => setTimeout(resolve, seconds * 1000 + STOP_MARGIN_MS).unref()),
  ]);
  await container.remove({ force: true }).catch(unlessGone);
}

/** Not running, or not there any more: as it should be. */
function unlessGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 304 && error.statusCode !== 404) throw error;
}

export interface Leftover {
  id: string;
  name: string;
  component: string;
  state: string;
}

/** Containers that carry the stack's label, in any state, known to the plan or not. */
export async function leftovers(docker: Docker, stack: Stack): Promise<Leftover[]> {
  const all = await docker.listContainers({
    all: true,
    filters: { label: [`${LABEL.stack}=${stack.id}`] },
  });
  return all.map(({ Id, Names, Labels, State }) => ({
    id: Id,
    name: Names[0]!.slice(1),
    component: Labels[LABEL.component]!,
    state: State,
  }));
}

/** Removes every container and network of the stack; volumes only when asked for. */
export async function removeAll(docker: Docker, stack: Stack, volumes: boolean): Promise<void> {
  const left = await leftovers(docker, stack);
  await Promise.all(left.map(({ id }) => removeContainer(docker, id)));
  await removeNetworks(docker, stack);
  if (volumes) await removeVolumes(docker, stack);
}
