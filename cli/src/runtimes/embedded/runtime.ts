import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Component, ComponentContext, StopRule } from '../../components/component.ts';
import { answersNow, waitReady } from '../../stack/readiness.ts';
import { type ComponentRuntime, NOT_THERE, type StartResult } from '../../stack/runtime.ts';
import type { Stack } from '../../stack/stack.ts';
import { followFile, tail } from './log-file.ts';
import { isAlive, startProcess, stopProcess } from './process.ts';

const EVIDENCE_LINES = 20;
/** The worker finishes its window within 10 s. */
const DEFAULT_STOP: StopRule = { signal: 'SIGTERM', timeoutMs: 12_000 };

/** Components as child processes that outlive the CLI. */
export const embeddedRuntime: ComponentRuntime = {
  name: 'embedded',
  isRunning,
  ensureRunning,
  refresh: async (component, context) => component.refresh?.(context),
  stop: stopComponent,
  async observe(component, stack) {
    const record = stack.state.processes[component.name];
    if (!isAlive(record)) return NOT_THERE;
    return { alive: true, pid: record!.pid, container: null, since: record!.startedAt };
  },
  tail: async (component, stack, lines) =>
    existsSync(stack.logFile(component.name)) ? tail(stack.logFile(component.name), lines) : null,
  follow: (component, stack, onLine, signal) => followFile(stack.logFile(component.name), onLine, signal),
};

async function isRunning(component: Component, context: ComponentContext): Promise<boolean> {
  const record = context.stack.state.processes[component.name];
  if (!isAlive(record) || record!.spec !== hashOf(component, context)) return false;
  return answersNow(component, context);
}

async function ensureRunning(
  component: Component,
  context: ComponentContext,
  signal: AbortSignal,
): Promise<StartResult> {
  if (await isRunning(component, context)) return 'running';
  const { stack } = context;
  const before = stack.state.processes[component.name];
  if (before) await stopComponent(component, stack);
  await component.prepare?.(context);
  signal.throwIfAborted();
  await launch(component, context);
  await waitReady(component, context, signal, {
    ended: async () => (isAlive(stack.state.processes[component.name]) ? null : ended(component, context)),
    late: async (answer) => notReady(component, context, answer),
  });
  return before ? 'restarted' : 'started';
}

async function launch(component: Component, context: ComponentContext): Promise<void> {
  const { stack } = context;
  const log = stack.logFile(component.name);
  const hash = hashOf(component, context);
  // Intent before act: an interrupted start is found by the next command.
  stack.state.processes[component.name] = {
    pid: 0,
    startTime: null,
    bootId: null,
    startedAt: new Date().toISOString(),
    spec: hash,
    log,
  };
  stack.save();
  try {
    stack.state.processes[component.name] = await startProcess(component.launch(context), hash, log);
  } catch (error) {
    delete stack.state.processes[component.name];
    throw new CliError(
      `${component.name}_not_started`,
      EXIT.serviceUnavailable,
      `${component.title} could not be started: ${(error as Error).message}.`,
      { fix: 'Run: batchsender doctor', cause: error },
    );
  } finally {
    stack.save();
  }
}

async function stopComponent(component: Component, stack: Stack): Promise<boolean> {
  const record = stack.state.processes[component.name];
  if (!record) return true;
  const { signal, timeoutMs } = component.stop ?? DEFAULT_STOP;
  const gone = await stopProcess(record, signal, timeoutMs);
  if (gone) {
    delete stack.state.processes[component.name];
    stack.save();
  }
  return gone;
}

/** PATH is left out: npm and npx put their own folders there, and it changes nothing about what runs. */
function hashOf(component: Component, context: ComponentContext): string {
  const { program, args, env, cwd, files = [] } = component.launch(context);
  const { PATH: _, ...rest } = env;
  const hash = createHash('sha256').update(JSON.stringify({ program, args, env: rest, cwd }));
  for (const file of files) if (existsSync(file)) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

function ended(component: Component, context: ComponentContext): CliError {
  const lines = tail(context.stack.logFile(component.name), EVIDENCE_LINES);
  const cause = component.explain?.(lines);
  return new CliError(
    `${component.name}_ended`,
    EXIT.serviceUnavailable,
    `${component.title} ended while starting${cause ? `: ${cause.why}` : ''}.`,
    {
      evidence: lines,
      fix: cause?.fix ?? `See all of it with: batchsender logs ${component.name}`,
    },
  );
}

function notReady(component: Component, context: ComponentContext, answer: string): CliError {
  const lines = tail(context.stack.logFile(component.name), EVIDENCE_LINES);
  const cause = component.explain?.(lines);
  return new CliError(
    `${component.name}_not_ready`,
    EXIT.notReady,
    `${component.title} was not ready within ${component.readyWithinMs / 1000} s${cause ? `: ${cause.why}` : ''}. Last answer: ${answer}.`,
    {
      evidence: lines,
      fix: cause?.fix ?? `It is left running for a look: batchsender logs ${component.name}`,
    },
  );
}
