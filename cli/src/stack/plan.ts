import type { Component, ComponentContext, Presence } from '../components/component.ts';
import { imageOf } from '../runtimes/docker/services.ts';
import { portKey } from './ports.ts';
import type { RuntimeName } from './runtime.ts';
import type { Selection, Stack } from './stack.ts';

/** One line of the plan: what takes part and where, or why not. */
export interface PlanEntry {
  component: Component;
  presence: Presence | { present: 'external'; url: string };
}

export interface StackPlan {
  entries: PlanEntry[];
  /** What this stack runs itself. */
  running: Component[];
  selection: Selection;
  context(component: Component): ComponentContext;
}

/** How a component is run: engines and monitoring as containers with Docker, services only when asked for. */
export function placeOf(component: Component, { runtime, services }: Selection): RuntimeName {
  if (runtime !== 'docker') return 'embedded';
  return component.kind === 'service' && services === 'host' ? 'embedded' : 'docker';
}

/** Decides what takes part. Pure but for asking each component whether its program is here. */
export function planStack(
  stack: Stack,
  components: readonly Component[],
  selection: Selection,
  env: NodeJS.ProcessEnv,
): StackPlan {
  const entries = components.map((component) => ({
    component,
    presence: presenceOf(component, selection, env),
  }));
  const running = entries
    .filter(({ presence }) => presence.present === true)
    .map(({ component }) => component);
  const context = (component: Component): ComponentContext => ({
    stack,
    selection,
    env,
    port: (name = '') => stack.state.ports[portKey(component, name)] ?? component.ports[name]!,
    urlOf: (name) => {
      const entry = entries.find((one) => one.component.name === name);
      if (!entry || entry.presence.present === false) return null;
      return entry.presence.present === 'external'
        ? entry.presence.url
        : entry.component.url(context(entry.component));
    },
  });
  return { entries, running, selection, context };
}

function presenceOf(
  component: Component,
  selection: Selection,
  env: NodeJS.ProcessEnv,
): PlanEntry['presence'] {
  // Additional senders come and go with the worker.
  const chosenAs = component.name.startsWith('sender-') ? 'worker' : component.name;
  const url = selection.external[component.name];
  if (url) return { present: 'external', url };
  if (selection.only && !selection.only.includes(chosenAs)) return { present: false, why: 'not asked for' };
  if (selection.without?.includes(chosenAs))
    return { present: false, why: `left out (--without ${component.name})` };
  return placeOf(component, selection) === 'docker'
    ? { present: true, how: `container of ${imageOf(component, selection)}` }
    : component.locate(env);
}
