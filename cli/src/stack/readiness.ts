import { setTimeout as sleep } from 'node:timers/promises';
import type { CliError } from '../cli-error.ts';
import type { Component, ComponentContext } from '../components/component.ts';

const PROBE_EVERY_MS = 100;
const QUICK_PROBE_MS = 3000;

/** How a runtime tells what became of a component that does not get ready. */
export interface Waiting {
  /** An error when it ended, null while it lives. */
  ended(): Promise<CliError | null>;
  /** It lives, but did not answer as it should in time; `answer` is the last one. */
  late(answer: string): Promise<CliError>;
}

/** Asks over the component's own protocol until it is ready. @throws CliError of `waiting` */
export async function waitReady(
  component: Component,
  context: ComponentContext,
  signal: AbortSignal,
  waiting: Waiting,
): Promise<void> {
  const deadline = Date.now() + component.readyWithinMs;
  let answer = 'no answer yet';
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    const ended = await waiting.ended();
    if (ended) throw ended;
    try {
      await component.probe(context);
      return;
    } catch (error) {
      answer = reason(error);
    }
    await sleep(PROBE_EVERY_MS, undefined, { signal }).catch(() => {});
  }
  throw await waiting.late(answer);
}

export async function answersNow(component: Component, context: ComponentContext): Promise<boolean> {
  const tooLate = sleep(QUICK_PROBE_MS, false, { ref: false });
  return Promise.race([
    component.probe(context).then(
      () => true,
      () => false,
    ),
    tooLate,
  ]);
}

function reason(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error };
  return cause?.message ? `${message} (${cause.message})` : message || String(error);
}
