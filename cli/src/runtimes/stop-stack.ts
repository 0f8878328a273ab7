import { CliError, EXIT } from '../cli-error.ts';
import { componentsFor } from '../components/all.ts';
import type { Component } from '../components/component.ts';
import type { ComponentRuntime } from '../stack/runtime.ts';
import type { Stack } from '../stack/stack.ts';
import { DockerRuntime } from './docker/docker-runtime.ts';
import { leftovers, removeAll } from './docker/removal.ts';
import { embeddedRuntime } from './embedded/runtime.ts';
import { requireEngine } from './runtimes.ts';

/**
 * Stops everything of the stack, services first, and proves that nothing is left; the lock is the caller's.
 * @returns names of the components that ran
 * @throws CliError `processes_left`, `containers_left`
 */
export async function stopStack(stack: Stack, volumes: boolean): Promise<string[]> {
  // Processes first: they need no engine to be stopped.
  const processes = await stopAll(stack, embeddedRuntime);
  return [...processes, ...(await stopContainers(stack, volumes))];
}

async function stopAll(stack: Stack, runtime: ComponentRuntime): Promise<string[]> {
  const components = componentsFor(stack.state.selection.senders);
  const alive = (
    await Promise.all(
      components.map(async (component) =>
        (await runtime.observe(component, stack)).alive ? component : null,
      ),
    )
  ).filter((component): component is Component => component !== null);
  for (const kinds of [['service', 'monitoring'], ['engine']]) {
    await Promise.all(
      components
        .filter((component) => kinds.includes(component.kind))
        .map((component) => runtime.stop(component, stack)),
    );
  }
  await proveGone(stack, components, runtime);
  return alive.map((component) => component.name);
}

async function proveGone(
  stack: Stack,
  components: readonly Component[],
  runtime: ComponentRuntime,
): Promise<void> {
  const left: string[] = [];
  for (const component of components) {
    const { alive, pid } = await runtime.observe(component, stack);
    if (alive) left.push(`${component.title} (PID ${pid})`);
  }
  if (left.length === 0) return;
  throw new CliError('processes_left', EXIT.leftovers, `Still running: ${left.join(', ')}.`, {
    fix: 'End them by PID; the log may say why they do not end: batchsender logs NAME',
  });
}

async function stopContainers(stack: Stack, volumes: boolean): Promise<string[]> {
  if (!stack.state.usedDocker) return [];
  const docker = new DockerRuntime(await requireEngine(process.env), () => true);
  const stopped = await stopAll(stack, docker);
  await removeAll(docker.engine.docker, stack, volumes);
  const left = await leftovers(docker.engine.docker, stack);
  if (left.length > 0)
    throw new CliError(
      'containers_left',
      EXIT.leftovers,
      `Still there: ${left.map(({ name }) => name).join(', ')}.`,
      { fix: `Remove them: docker rm -f ${left.map(({ name }) => name).join(' ')}` },
    );
  if (volumes) stack.state.usedDocker = false;
  stack.state.metricsHost = null;
  stack.save();
  return stopped;
}
