import type { Selection, Stack } from '../stack/stack.ts';

export type ComponentName =
  | 'postgres'
  | 'nats'
  | 'clickhouse'
  | 'dragonfly'
  | 'prometheus'
  | 'grafana'
  | 'worker'
  | 'web'
  | `sender-${number}`;
export type ComponentKind = 'engine' | 'monitoring' | 'service';

/** What a component may know when it decides how it runs. */
export interface ComponentContext {
  stack: Stack;
  /** Port by name; '' is the main one. */
  port(name?: string): number;
  selection: Selection;
  /** URL another component offers, or null when it does not take part. */
  urlOf(component: ComponentName): string | null;
  env: NodeJS.ProcessEnv;
}

export type Presence = { present: true; how: string } | { present: false; why: string };

export interface Launch {
  program: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** Files of our own that it runs, chunks apart, whose names change with their content: new ones mean a restart. */
  files?: string[];
  user?: { uid: number; gid: number };
}

export interface StopRule {
  signal: NodeJS.Signals;
  /** After this the process is killed, milliseconds. */
  timeoutMs: number;
}

/** A part of the stack, described once: what it needs, how it runs without Docker, when it is ready. */
export interface Component {
  name: ComponentName;
  title: string;
  kind: ComponentKind;
  /** Default port by name; '' is the main one. */
  ports: Record<string, number>;
  /** Components that must be ready first, when they take part. */
  needs: ComponentName[];
  /** Whether it can run here, and as what; the plan prints it. */
  locate(env: NodeJS.ProcessEnv): Presence;
  /** Before the first start and each later one: data folder, configuration. Returns quickly when done. */
  prepare?(context: ComponentContext): Promise<void>;
  launch(context: ComponentContext): Launch;
  /** Files it reads again by itself while it runs. */
  refresh?(context: ComponentContext): Promise<void>;
  /** Asks over the real protocol; the error is the last answer. */
  probe(context: ComponentContext): Promise<void>;
  readyWithinMs: number;
  /** What it takes to start and to send a small batch, MiB: measured (PSS) after one of 20,000, with room for half as much. */
  memoryMib: number;
  /** SIGTERM and 12 s when absent. */
  stop?: StopRule;
  /** URL for other components, credentials included. */
  url(context: ComponentContext): string;
  /** What a user opens or connects to, and as whom. */
  access?(context: ComponentContext): { url: string; credentials: string | null };
  /** Known causes in the last lines of its log. */
  explain?(lines: string[]): { why: string; fix: string } | null;
  /** Folders with data outside the stack's own; removed with `down --volumes`. */
  outsideData?(stack: Stack): string[];
}

/** Fetch on the loopback, past any proxy, with a short patience. */
export async function fetchLocal(url: string, init: RequestInit = {}, timeoutMs = 2000): Promise<Response> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
}
