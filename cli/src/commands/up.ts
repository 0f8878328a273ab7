import { existsSync } from 'node:fs';
import { CliError, EXIT } from '../cli-error.ts';
import { componentsFor } from '../components/all.ts';
import type { Component } from '../components/component.ts';
import { additionalSenders } from '../components/sender.ts';
import { WORKER_MAIN } from '../components/worker.ts';
import { preflight } from '../doctor/preflight.ts';
import type { Output } from '../output/output.ts';
import { portHolder } from '../runtimes/docker/port-holder.ts';
import { secretHash } from '../runtimes/docker/volumes.ts';
import { openRuntimes, type Runtimes } from '../runtimes/runtimes.ts';
import { withLock } from '../stack/lock.ts';
import { placeOf, planStack, type StackPlan } from '../stack/plan.ts';
import { assignPorts, type PortSubstitution } from '../stack/ports.ts';
import type { Selection, Stack } from '../stack/stack.ts';
import { criticalChain, runTasks, type TaskTiming } from '../stack/task-graph.ts';
import { fixedPorts, openStack, runtimesOf, selectionFor, type UpFlags, wishedBy } from './context.ts';
import { prepareImages } from './images.ts';
import { type ChosenRuntime, chooseRuntime } from './runtime-choice.ts';
import { UpRun } from './up-run.ts';

export interface UpResult {
  stack: { name: string; id: string };
  runtime: { name: string; detail: string };
  components: {
    name: string;
    title: string;
    state: string;
    detail: string;
    url: string | null;
    credentials: string | null;
  }[];
  substitutions: PortSubstitution[];
  testBatch: { id: string; total: number; sent: number } | null;
  seconds: number;
  criticalChain: TaskTiming[];
}

/** Brings the stack to what the plan says: starts what is missing, leaves what runs. */
export async function up(flags: UpFlags, output: Output, signal: AbortSignal): Promise<UpResult> {
  const began = performance.now();
  const stack = openStack(flags);
  if (flags.dryRun) {
    const { plan, choice } = await planned(stack, flags);
    return { ...summary(stack, plan, choice, began), substitutions: [], testBatch: null, criticalChain: [] };
  }
  for (const { message, fix, id } of await preflight(stack, process.env, wishedBy(stack, flags)))
    output.event({ type: 'warning', check: id, message, fix }, `! ${message} ${fix}`);
  stack.prepare();
  return withLock(stack, 'batchsender up', async () => {
    // Planned with the lock held: what another `up` chose meanwhile counts.
    const { plan, choice, runtimes } = await ready(stack, flags, output, signal);
    await stopWhatMoved(stack, plan.selection);
    stack.state.selection = plan.selection;
    if (flags.resetPassword) stack.state.resetPassword = secretHash(stack.secrets.postgresPassword);
    stack.save();
    await runtimes.docker?.prepare(stack);
    const substitutions = await choosePorts(stack, plan, runtimes, fixedPorts(flags.port));
    announce(plan, choice, substitutions, output);
    const run = new UpRun(stack, plan, runtimes, flags);
    const tasks = run.tasks();
    try {
      const timings = await runTasks(tasks, (event) => output.task(event), signal);
      return {
        ...summary(stack, plan, choice, began),
        substitutions,
        testBatch: run.testBatch,
        criticalChain: criticalChain(tasks, timings),
      };
    } catch (error) {
      await undo(run, error, signal);
      throw signal.aborted ? interrupted(signal) : error;
    }
  });
}

async function planned(stack: Stack, flags: UpFlags): Promise<{ plan: StackPlan; choice: ChosenRuntime }> {
  const wished = selectionFor(stack, flags);
  const choice = await chooseRuntime(stack, wished);
  const selection = { ...wished, runtime: choice.name };
  return { choice, plan: planStack(stack, componentsFor(selection.senders), selection, process.env) };
}

/**
 * The plan, and everything that must be there before the first component: its runtime and its images. An engine that
 * was found by itself and whose images cannot be had is no reason to fail: then it goes without Docker.
 */
async function ready(stack: Stack, flags: UpFlags, output: Output, signal: AbortSignal) {
  const { plan, choice } = await planned(stack, flags);
  try {
    checkPrerequisites(plan);
    const runtimes = await openRuntimes(plan.selection, process.env, choice.engine);
    await prepareImages(plan, runtimes, output, signal);
    return { plan, choice, runtimes };
  } catch (error) {
    if (!(error instanceof CliError) || !error.id.startsWith('image_') || !choice.automatic) throw error;
    output.event({ type: 'fallback', error: error.toJSON() }, `! ${error.message} Going on without Docker.`);
    return ready(stack, { ...flags, runtime: 'embedded' }, output, signal);
  }
}

/** Components that were run another way until now, and senders that are no longer asked for, end first. */
async function stopWhatMoved(stack: Stack, selection: Selection): Promise<void> {
  const before = stack.state.selection;
  if (before.runtime === null) return;
  const surplus = additionalSenders(before.senders).slice(selection.senders - 1);
  const moved = componentsFor(selection.senders).filter(
    (component) => placeOf(component, before) !== placeOf(component, selection),
  );
  if (surplus.length + moved.length === 0) return;
  const runtimes = await runtimesOf(stack);
  await Promise.all([...surplus, ...moved].map((component) => runtimes.of(component).stop(component, stack)));
}

/** What this run started is stopped again when it was interrupted; after a failure the evidence stays. */
async function undo(run: UpRun, error: unknown, signal: AbortSignal): Promise<void> {
  if (!signal.aborted && error instanceof CliError) return;
  const services = run.startedHere.filter(({ kind }) => kind === 'service');
  const others = run.startedHere.filter(({ kind }) => kind !== 'service');
  for (const group of [services, others])
    await Promise.all(group.map((component) => run.runtimes.of(component).stop(component, run.stack)));
}

function interrupted(signal: AbortSignal): CliError {
  const terminated = signal.reason === 'SIGTERM';
  return new CliError(
    'interrupted',
    terminated ? EXIT.terminated : EXIT.interrupted,
    'Interrupted; what this run had started is stopped again. Data is kept.',
  );
}

function checkPrerequisites(plan: StackPlan): void {
  const services = plan.running.some((component) => component.kind === 'service');
  if (services && !existsSync(WORKER_MAIN)) {
    throw new CliError('not_built', EXIT.notBuilt, 'The services are not built.', {
      fix: 'Run: npm run build (or npm run up, which does it)',
    });
  }
  const postgres = plan.entries.find(({ component }) => component.name === 'postgres')!.presence;
  if (services && postgres.present === false) {
    throw new CliError(
      'postgres_missing',
      EXIT.serviceUnavailable,
      `PostgreSQL is required: ${postgres.why}.`,
      { fix: 'Name one with --postgres-url postgres://user:password@host/database.' },
    );
  }
}

async function choosePorts(
  stack: Stack,
  plan: StackPlan,
  runtimes: Runtimes,
  fixed: Record<string, number>,
): Promise<PortSubstitution[]> {
  const toStart: Component[] = [];
  const moved = (component: Component) =>
    Object.keys(component.ports).some((name) => {
      const key = name ? `${component.name}.${name}` : component.name;
      return fixed[key] !== undefined && fixed[key] !== stack.state.ports[key];
    });
  await Promise.all(
    plan.running.map(async (component) => {
      const runtime = runtimes.of(component);
      if (!moved(component) && (await runtime.isRunning(component, plan.context(component)))) return;
      if ((await runtime.observe(component, stack)).alive) await runtime.stop(component, stack);
      toStart.push(component);
    }),
  );
  const inOrder = plan.running.filter((component) => toStart.includes(component));
  const substitutions = await assignPorts(stack, inOrder, fixed, portHolder);
  stack.save();
  return substitutions;
}

function announce(
  plan: StackPlan,
  choice: ChosenRuntime,
  substitutions: PortSubstitution[],
  output: Output,
): void {
  output.event({ type: 'runtime', name: choice.name, detail: choice.detail }, `  ${choice.detail}`);
  for (const one of substitutions) {
    output.event(
      { type: 'port', ...one },
      `! port ${one.wanted} for ${one.component} is taken${one.heldBy ? ` by ${one.heldBy}` : ''}; using ${one.used} from now on`,
    );
  }
  for (const { component, presence } of plan.entries) {
    if (presence.present === false)
      output.event(
        { type: 'absent', component: component.name, why: presence.why },
        presence.why === 'not asked for' ? null : `○ ${component.title.padEnd(12)} ${presence.why}`,
      );
  }
}

function summary(stack: Stack, plan: StackPlan, choice: ChosenRuntime, began: number) {
  const components = plan.entries.map(({ component, presence }) => {
    const access = presence.present === true ? component.access?.(plan.context(component)) : undefined;
    const state =
      presence.present === false ? 'absent' : presence.present === 'external' ? 'external' : 'running';
    const detail =
      presence.present === false ? presence.why : presence.present === 'external' ? 'external' : presence.how;
    return {
      name: component.name,
      title: component.title,
      state,
      detail,
      url: access?.url ?? null,
      credentials: access?.credentials ?? null,
    };
  });
  return {
    stack: { name: stack.name, id: stack.id },
    runtime: { name: choice.name, detail: choice.detail },
    components,
    seconds: Math.round(performance.now() - began) / 1000,
  };
}
