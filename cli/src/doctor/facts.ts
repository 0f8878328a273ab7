import { componentsFor } from '../components/all.ts';
import type { Component } from '../components/component.ts';
import { worker, workerEnv } from '../components/worker.ts';
import { type Discovery, discoverEngine, type Engine } from '../runtimes/docker/engine.ts';
import { openRuntimes, type Runtimes } from '../runtimes/runtimes.ts';
import { placeOf, planStack, type StackPlan } from '../stack/plan.ts';
import { answersNow } from '../stack/readiness.ts';
import type { Selection, Stack } from '../stack/stack.ts';
import { runWorker } from '../worker-program.ts';

/** What the worker's program says of the database; see `worker inspect`. */
export interface Inspection {
  clockSkewMs: number;
  pendingMigrations: string[];
  senders: number;
  planners: number;
  expiredLeases: number;
  queues: { provider: string; queued: number; oldestReadySeconds: number | null }[];
  uncertain: { batch: string; count: number }[];
  pausedProviders: { name: string; reason: string | null }[];
  outbox: { rows: number; oldestSeconds: number };
  silentWebhooks: { id: string; name: string }[];
  developmentCredentials: { users: number; keys: number };
  senderDomains: string[];
  senderChecks: { domain: string; [record: string]: string | { status: string; detail: string } }[];
  production: boolean;
}

/** A part that the plan wants to run, as it is now. */
export interface ComponentState {
  component: Component;
  /** There is a process or container. */
  alive: boolean;
  /** It is as it should be, and answers. */
  running: boolean;
  /** It answers, and was started with other settings or an older build. */
  outdated: boolean;
}

export interface EngineInfo {
  DockerRootDir?: string;
  MemTotal?: number;
  SecurityOptions?: string[];
  OperatingSystem?: string;
  HttpProxy?: string;
}

/** What checks look at: asked once, however many want to know, and only when one does. */
export class DoctorFacts {
  readonly stack: Stack;
  readonly env: NodeJS.ProcessEnv;
  readonly apiKey: string;
  private readonly wished: Selection | null;
  private planned: StackPlan | null = null;
  private readonly known = new Map<string, Promise<unknown>>();

  /** @param wished what is to run; what the stack was started with when null */
  constructor(stack: Stack, env: NodeJS.ProcessEnv, apiKey: string, wished: Selection | null = null) {
    this.wished = wished;
    this.stack = stack;
    this.env = env;
    this.apiKey = apiKey;
  }

  get selection(): Selection {
    return this.wished ?? this.stack.state.selection;
  }

  get plan(): StackPlan {
    const { selection } = this;
    this.planned ??= planStack(this.stack, componentsFor(selection.senders), selection, this.env);
    return this.planned;
  }

  get usesDocker(): boolean {
    return this.selection.runtime === 'docker';
  }

  inContainer(component: Component): boolean {
    return placeOf(component, this.selection) === 'docker';
  }

  /** Whether anything was ever started here. */
  get started(): boolean {
    return this.stack.exists && Object.keys(this.stack.state.ports).length > 0;
  }

  discovery(): Promise<Discovery> {
    return this.once('discovery', () => discoverEngine(this.env));
  }

  /** The engine that answers, or null. */
  async engine(): Promise<Engine | null> {
    return (await this.discovery().catch(() => ({ found: null }))).found;
  }

  /** What the engine says of its machine; null when none answers. */
  engineInfo(): Promise<EngineInfo | null> {
    return this.once('engine info', async () => {
      const engine = await this.engine();
      return engine && ((await engine.docker.info()) as EngineInfo);
    });
  }

  async runtimes(): Promise<Runtimes> {
    return this.once('runtimes', async () =>
      openRuntimes(this.selection, this.env, this.usesDocker ? await this.engine() : null),
    );
  }

  components(): Promise<ComponentState[]> {
    return this.once('components', async () => {
      const runtimes = await this.runtimes();
      const { plan, stack } = this;
      return Promise.all(
        plan.running.map(async (component) => {
          const runtime = runtimes.of(component);
          const running = await runtime.isRunning(component, plan.context(component));
          const { alive } = running ? { alive: true } : await runtime.observe(component, stack);
          const outdated = alive && !running && (await answersNow(component, plan.context(component)));
          return { component, running, alive, outdated };
        }),
      );
    });
  }

  inspection(): Promise<Inspection> {
    return this.once('inspection', () => this.inspect([]));
  }

  /** With the DNS asked about the sender domains. */
  inspectionWithDomains(): Promise<Inspection> {
    return this.once('domains', () => this.inspect(['--domains']));
  }

  workerUrl(): string {
    return this.plan.context(worker).urlOf('worker')!;
  }

  /** Whether the worker answers at all: most checks of a sender make no sense otherwise. */
  workerAnswers(): Promise<boolean> {
    return this.once('worker', async () => {
      const response = await fetch(`${this.workerUrl()}/health`, { signal: AbortSignal.timeout(1500) });
      return response.ok;
    }).catch(() => false);
  }

  private inspect(more: string[]): Promise<Inspection> {
    return runWorker<Inspection>(['inspect', ...more], workerEnv(this.plan.context(worker)));
  }

  private once<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const before = this.known.get(name) as Promise<T> | undefined;
    if (before) return before;
    const asked = ask();
    this.known.set(name, asked);
    return asked;
  }
}
