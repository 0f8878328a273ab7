import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT } from '../cli-error.ts';
import type { Component, ComponentName } from '../components/component.ts';
import { WORKER_MAIN, worker, workerEnv } from '../components/worker.ts';
import type { Runtimes } from '../runtimes/runtimes.ts';
import type { StackPlan } from '../stack/plan.ts';
import type { Stack } from '../stack/stack.ts';
import type { Task } from '../stack/task-graph.ts';
import { DEVELOPMENT_KEY, sendTestBatch } from '../test-batch.ts';
import { runWorker } from '../worker-program.ts';
import type { UpFlags } from './context.ts';

import type { UpResult } from './up.ts';

const TEST_BATCH_SIZE = 25;
const DEVELOPMENT = new Set(['development', 'test', undefined, '']);

/** The tasks of one `up`, and what they did. */
export class UpRun {
  readonly startedHere: Component[] = [];
  testBatch: UpResult['testBatch'] = null;
  readonly stack: Stack;
  readonly runtimes: Runtimes;
  private readonly plan: StackPlan;
  private readonly flags: UpFlags;

  constructor(stack: Stack, plan: StackPlan, runtimes: Runtimes, flags: UpFlags) {
    this.stack = stack;
    this.runtimes = runtimes;
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
        const runtime = this.runtimes.of(component);
        const alive = await runtime.isRunning(component, context);
        if (alive) await runtime.refresh(component, context);
        else this.startedHere.push(component);
        const result = alive ? 'running' : await runtime.ensureRunning(component, context, signal);
        return {
          status: result === 'running' ? 'unchanged' : 'done',
          detail: `${result === 'running' ? 'runs' : result} on ${context.selection.host}:${context.port()}`,
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
    if (!DEVELOPMENT.has(process.env.NODE_ENV))
      return { status: 'skipped' as const, detail: 'no development credentials outside development' };
    if (this.stack.state.seeded)
      return { status: 'unchanged' as const, detail: 'development account is there' };
    const { created } = await runWorker<{ created: string[] }>(['seed'], this.workerEnv(), { signal });
    this.stack.state.seeded = true;
    this.stack.save();
    return { status: 'done' as const, detail: created.join(', ') || 'development account is there' };
  }

  private async sendTest(signal: AbortSignal) {
    if (!DEVELOPMENT.has(process.env.NODE_ENV))
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
