import type { Component, ComponentContext } from '../components/component.ts';
import type { Stack } from './stack.ts';

export const RUNTIMES = ['docker', 'embedded'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** Where worker and dashboard run when the engines are containers. */
export const SERVICE_PLACES = ['host', 'container'] as const;
export type ServicePlace = (typeof SERVICE_PLACES)[number];

export type StartResult = 'started' | 'restarted' | 'running';

/** What is there now, ready or not. */
export interface Observed {
  alive: boolean;
  pid: number | null;
  /** Short id, as the docker command prints it. */
  container: string | null;
  since: string | null;
}

/** A way to run components. Every command goes through it, so both ways behave the same. */
export interface ComponentRuntime {
  readonly name: RuntimeName;
  /** Whether the component runs as it is meant to, and answers. */
  isRunning(component: Component, context: ComponentContext): Promise<boolean>;
  /** Starts it unless it runs as it should, and waits until it is ready. */
  ensureRunning(component: Component, context: ComponentContext, signal: AbortSignal): Promise<StartResult>;
  /** Gives one that runs what may change without a restart. */
  refresh(component: Component, context: ComponentContext): Promise<void>;
  /** Ends it; false when it would not go. */
  stop(component: Component, stack: Stack): Promise<boolean>;
  observe(component: Component, stack: Stack): Promise<Observed>;
  /** The last lines it wrote; null when it never ran. */
  tail(component: Component, stack: Stack, lines: number): Promise<string[] | null>;
  /** Every further line, until the signal aborts. */
  follow(
    component: Component,
    stack: Stack,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

export const NOT_THERE: Observed = { alive: false, pid: null, container: null, since: null };
