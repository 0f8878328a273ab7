import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Component, ComponentContext, StopRule } from '../../components/component.ts';
import type { Stack } from '../../stack/stack.ts';
import { isAlive, startProcess, stopProcess, tail } from './process.ts';

const PROBE_EVERY_MS = 100;
const QUICK_PROBE_MS = 3000;
const EVIDENCE_LINES = 20;
/** The worker finishes its window within 10 s. */
const DEFAULT_STOP: StopRule = { signal: 'SIGTERM', timeoutMs: 12_000 };

export type StartResult = 'started' | 'restarted' | 'running';

/** Whether the component's process runs, as it is meant to, and answers. */
export async function isRunning(component: Component, context: ComponentContext): Promise<boolean> {
  const record = context.stack.state.processes[component.name];
  if (!isAlive(record) || record!.spec !== hashOf(component, context)) return false;
  return probeOnce(component, context, QUICK_PROBE_MS);
}

/** Starts the component unless it runs as it should, and waits until it is ready. */
export async function ensureRunning(
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
  await waitReady(component, context, signal);
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

async function waitReady(
  component: Component,
  context: ComponentContext,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + component.readyWithinMs;
  let answer = 'no answer yet';
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    if (!isAlive(context.stack.state.processes[component.name])) throw ended(component, context);
    try {
      await component.probe(context);
      return;
    } catch (error) {
      answer = reason(error);
    }
    await sleep(PROBE_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  throw notReady(component, context, answer);
}

async function probeOnce(
  component: Component,
  context: ComponentContext,
  withinMs: number,
): Promise<boolean> {
  const tooLate = sleep(withinMs, false, { ref: false });
  return Promise.race([
    component.probe(context).then(
      () => true,
      () => false,
    ),
    tooLate,
  ]);
}

/** Ends the component's process; false when it would not go. */
export async function stopComponent(component: Component, stack: Stack): Promise<boolean> {
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
  const { program, args, env, cwd } = component.launch(context);
  const { PATH: _, ...rest } = env;
  return createHash('sha256')
    .update(JSON.stringify({ program, args, env: rest, cwd }))
    .digest('hex')
    .slice(0, 16);
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

function reason(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error };
  return cause?.message ? `${message} (${cause.message})` : message || String(error);
}
