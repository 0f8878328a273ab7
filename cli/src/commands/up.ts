import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError, EXIT } from '../cli-error.ts';
import { componentsFor } from '../components/all.ts';
import type { Component, ComponentName } from '../components/component.ts';
import { additionalSenders } from '../components/sender.ts';
import { WORKER_MAIN, worker, workerEnv } from '../components/worker.ts';
import type { Output } from '../output/output.ts';
import { ensureRunning, isRunning, stopComponent } from '../runtimes/embedded/runtime.ts';
import { withLock } from '../stack/lock.ts';
import { planStack, type StackPlan } from '../stack/plan.ts';
import { assignPorts, describeOwner, type PortSubstitution } from '../stack/ports.ts';
import type { Stack } from '../stack/stack.ts';
import { criticalChain, runTasks, type Task, type TaskTiming } from '../stack/task-graph.ts';
import { runWorker } from '../worker-program.ts';
import { fixedPorts, openStack, selectionFor, type UpFlags } from './context.ts';
import { DEVELOPMENT_KEY, sendTestBatch } from './seed.ts';

const TEST_BATCH_SIZE = 25;
/** Components that can start before anything else is known. */
const ENV_NAMES = new Set(['development', 'test', undefined, '']);

export interface UpResult {
  stack: { name: string; id: string };
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
  if (!flags.dryRun) stack.prepare();
  const planned = () => {
    const selection = selectionFor(stack, flags);
    return {
      selection,
      plan: planStack(stack, componentsFor(selection.senders), selection, process.env),
    };
  };
  if (flags.dryRun) {
    const summarised = summary(stack, planned().plan, began);
    return { ...summarised, substitutions: [], testBatch: null, criticalChain: [] };
  }
  return withLock(stack, 'batchsender up', async () => {
    // Planned with the lock held: what another `up` chose meanwhile counts.
    const { selection, plan } = planned();
    checkPrerequisites(plan);
    await stopSurplusSenders(stack, selection.senders);
    stack.state.selection = selection;
    const substitutions = await choosePorts(stack, plan, fixedPorts(flags.port));
    for (const one of substitutions) {
      output.event(
        { type: 'port', ...one },
        `! port ${one.wanted} for ${one.component} is taken${one.owner ? ` by ${describeOwner(one.owner)}` : ''}; using ${one.used} from now on`,
      );
    }
    for (const { component, presence } of plan.entries) {
      if (presence.present === false)
        output.event(
          { type: 'absent', component: component.name, why: presence.why },
          presence.why === 'not asked for' ? null : `○ ${component.title.padEnd(12)} ${presence.why}`,
        );
    }
    const run = new UpRun(stack, plan, flags);
    const tasks = run.tasks();
    try {
      const timings = await runTasks(tasks, (event) => output.task(event), signal);
      return {
        ...summary(stack, plan, began),
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

/** Senders that a smaller --senders no longer asks for finish their window and end. */
async function stopSurplusSenders(stack: Stack, senders: number): Promise<void> {
  const surplus = additionalSenders(stack.state.selection.senders).slice(senders - 1);
  await Promise.all(surplus.map((component) => stopComponent(component, stack)));
}

/** What this run started is stopped again when it was interrupted; after a failure the evidence stays. */
async function undo(run: UpRun, error: unknown, signal: AbortSignal): Promise<void> {
  if (!signal.aborted && error instanceof CliError) return;
  for (const component of run.startedHere.reverse()) await stopComponent(component, run.stack);
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
      if (!moved(component) && (await isRunning(component, plan.context(component)))) return;
      if (stack.state.processes[component.name]) await stopComponent(component, stack);
      toStart.push(component);
    }),
  );
  const inOrder = plan.running.filter((component) => toStart.includes(component));
  const substitutions = await assignPorts(stack, inOrder, fixed);
  stack.save();
  return substitutions;
}

function summary(stack: Stack, plan: StackPlan, began: number) {
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
    components,
    seconds: Math.round(performance.now() - began) / 1000,
  };
}

/** The tasks of one `up`, and what they did. */
class UpRun {
  readonly startedHere: Component[] = [];
  testBatch: UpResult['testBatch'] = null;
  readonly stack: Stack;
  private readonly plan: StackPlan;
  private readonly flags: UpFlags;

  constructor(stack: Stack, plan: StackPlan, flags: UpFlags) {
    this.stack = stack;
    this.plan = plan;
    this.flags = flags;
  }

  tasks(): Task[] {
    const tasks = this.plan.running.map((component) => this.componentTask(component));
    if (!this.runs('worker')) return tasks;
    tasks.push({
      id: 'migrate',
      title: 'migrations',
      needs: this.present(['postgres', 'clickhouse']),
      run: (signal) => this.migrate(signal),
    });
    tasks.push({ id: 'seed', title: 'seed', needs: ['migrate'], run: (signal) => this.seed(signal) });
    if (this.flags.testBatch !== false)
      tasks.push({
        id: 'test-batch',
        title: 'test batch',
        needs: ['worker', 'seed'],
        run: (signal) => this.sendTest(signal),
      });
    return tasks;
  }

  private componentTask(component: Component): Task {
    const needs = [...this.present(component.needs), ...(component.name === 'worker' ? ['migrate'] : [])];
    return {
      id: component.name,
      title: component.title,
      needs,
      run: async (signal) => {
        const context = this.plan.context(component);
        const alive = await isRunning(component, context);
        if (!alive) this.startedHere.push(component);
        const result = alive ? 'running' : await ensureRunning(component, context, signal);
        return {
          status: result === 'running' ? 'unchanged' : 'done',
          detail: `${result === 'running' ? 'runs' : result} on ${context.host}:${context.port()}`,
        };
      },
    };
  }

  private async migrate(signal: AbortSignal) {
    const fingerprint = migrationsFingerprint();
    if (this.stack.state.migrated === fingerprint)
      return { status: 'unchanged' as const, detail: 'schema is current' };
    const applied = await runWorker<{ postgres: string[]; clickhouse: string[] }>(
      ['migrate'],
      this.workerEnv(),
      { signal, exitCode: EXIT.migrationFailed },
    );
    this.stack.state.migrated = fingerprint;
    this.stack.save();
    return {
      status: 'done' as const,
      detail: `${applied.postgres.length} applied to PostgreSQL${applied.clickhouse.length ? ', ClickHouse is current' : ''}`,
    };
  }

  private async seed(signal: AbortSignal) {
    if (!ENV_NAMES.has(process.env.NODE_ENV))
      return { status: 'skipped' as const, detail: 'no development credentials outside development' };
    if (this.stack.state.seeded)
      return { status: 'unchanged' as const, detail: 'development account is there' };
    const { created } = await runWorker<{ created: string[] }>(['seed'], this.workerEnv(), { signal });
    this.stack.state.seeded = true;
    this.stack.save();
    return { status: 'done' as const, detail: created.join(', ') || 'development account is there' };
  }

  private async sendTest(signal: AbortSignal) {
    if (!ENV_NAMES.has(process.env.NODE_ENV))
      return { status: 'skipped' as const, detail: 'only in development' };
    const batch = await sendTestBatch(
      this.plan.context(worker).urlOf('worker')!,
      DEVELOPMENT_KEY,
      TEST_BATCH_SIZE,
      signal,
    );
    this.testBatch = { id: batch.id, total: batch.total, sent: batch.counts.sent };
    return {
      status: 'done' as const,
      detail: `${batch.counts.sent} of ${batch.total} delivered through the mock provider`,
    };
  }

  private workerEnv(): Record<string, string> {
    return workerEnv(this.plan.context(worker));
  }

  private runs(name: ComponentName): boolean {
    return this.plan.running.some((component) => component.name === name);
  }

  private present(names: ComponentName[]): ComponentName[] {
    return names.filter((name) => this.runs(name));
  }
}

/** Changes when a migration is added: then, and only then, `up` runs them again. */
function migrationsFingerprint(): string {
  const hash = createHash('sha256');
  const root = join(dirname(dirname(WORKER_MAIN)), 'migrations');
  for (const folder of readdirSync(root).sort()) {
    for (const file of readdirSync(join(root, folder)).sort())
      hash.update(file).update(readFileSync(join(root, folder, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
