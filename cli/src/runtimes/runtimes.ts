import { componentNamed } from '../components/all.ts';
import type { Component, ComponentName } from '../components/component.ts';
import { placeOf } from '../stack/plan.ts';
import type { ComponentRuntime } from '../stack/runtime.ts';
import type { Selection } from '../stack/stack.ts';
import { DockerRuntime } from './docker/docker-runtime.ts';
import { discoverEngine, type Engine, noEngine } from './docker/engine.ts';
import { embeddedRuntime } from './embedded/runtime.ts';

/** The ways in which a stack's components run. */
export interface Runtimes {
  docker: DockerRuntime | null;
  of(component: Component): ComponentRuntime;
}

/**
 * @param engine when it is known already
 * @throws CliError when the stack needs an engine and none answers
 */
export async function openRuntimes(
  selection: Selection,
  env: NodeJS.ProcessEnv,
  engine: Engine | null = null,
): Promise<Runtimes> {
  if (selection.runtime !== 'docker') return { docker: null, of: () => embeddedRuntime };
  const found = engine ?? (await requireEngine(env));
  const inContainer = (name: ComponentName) => {
    const component = componentNamed(name, selection.senders);
    return component !== undefined && placeOf(component, selection) === 'docker';
  };
  const docker = new DockerRuntime(found, inContainer);
  return {
    docker,
    of: (component) => (placeOf(component, selection) === 'docker' ? docker : embeddedRuntime),
  };
}

export async function requireEngine(env: NodeJS.ProcessEnv): Promise<Engine> {
  const discovery = await discoverEngine(env);
  if (discovery.found) return discovery.found;
  throw noEngine(discovery.tried);
}
