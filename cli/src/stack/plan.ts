import type { Component, ComponentContext, ComponentName, Presence } from '../components/component.ts';
import { portKey } from './ports.ts';
import type { Stack } from './stack.ts';

/** One line of the plan: what takes part and where, or why not. */
export interface PlanEntry {
  component: Component;
  presence: Presence | { present: 'external'; url: string };
}

export interface StackPlan {
  entries: PlanEntry[];
  /** What this stack runs itself. */
  running: Component[];
  context(component: Component): ComponentContext;
}

export interface PlanOptions {
  /** Only these, with nothing they need added; all when absent. */
  only?: ComponentName[];
  without?: ComponentName[];
  /** URLs of engines that run elsewhere. */
  external: Partial<Record<ComponentName, string>>;
  host: string;
  env: NodeJS.ProcessEnv;
}

/** Decides what takes part. Pure but for asking each component whether its program is here. */
export function planStack(stack: Stack, components: readonly Component[], options: PlanOptions): StackPlan {
  const entries = components.map((component) => ({ component, presence: presenceOf(component, options) }));
  const running = entries.filter(({ presence }) => presence.present === true).map(({ component }) => component);
  const context = (component: Component): ComponentContext => ({
    stack,
    host: options.host,
    env: options.env,
    port: (name = '') => stack.state.ports[portKey(component, name)] ?? component.ports[name]!,
    urlOf: (name) => {
      const entry = entries.find((one) => one.component.name === name);
      if (!entry || entry.presence.present === false) return null;
      return entry.presence.present === 'external' ? entry.presence.url : entry.component.url(context(entry.component));
    },
  });
  return { entries, running, context };
}

function presenceOf(component: Component, options: PlanOptions): PlanEntry['presence'] {
  const url = options.external[component.name];
  if (url) return { present: 'external', url };
  if (options.only && !options.only.includes(component.name)) return { present: false, why: 'not asked for' };
  if (options.without?.includes(component.name)) return { present: false, why: `left out (--without ${component.name})` };
  return component.locate(options.env);
}
