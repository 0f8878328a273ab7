import { rmSync } from 'node:fs';
import { CliError, EXIT } from '../cli-error.ts';
import { COMPONENTS, componentsFor } from '../components/all.ts';
import { isAlive } from '../runtimes/embedded/process.ts';
import { stopComponent } from '../runtimes/embedded/runtime.ts';
import { withLock } from '../stack/lock.ts';
import type { Stack } from '../stack/stack.ts';
import { openStack, type StackFlags } from './context.ts';

export interface DownResult {
  stopped: string[];
  volumesRemoved: boolean;
}

/** Stops everything of the stack, services first, and proves that nothing is left. */
export async function down(flags: StackFlags & { volumes?: boolean }): Promise<DownResult> {
  const stack = openStack(flags);
  if (!stack.exists) return { stopped: [], volumesRemoved: false };
  const stopped = await withLock(stack, 'batchsender down', () => stopAll(stack));
  if (flags.volumes) removeData(stack);
  return { stopped, volumesRemoved: flags.volumes === true };
}

async function stopAll(stack: Stack): Promise<string[]> {
  const components = componentsFor(stack.state.selection.senders);
  const running = components.filter((component) => stack.state.processes[component.name]);
  const alive = running
    .filter((component) => isAlive(stack.state.processes[component.name]))
    .map((component) => component.name);
  for (const kinds of [['service', 'monitoring'], ['engine']]) {
    await Promise.all(
      running
        .filter((component) => kinds.includes(component.kind))
        .map((component) => stopComponent(component, stack)),
    );
  }
  const left = components.filter((component) => isAlive(stack.state.processes[component.name]));
  if (left.length > 0) {
    throw new CliError(
      'processes_left',
      EXIT.leftovers,
      `Still running: ${left.map((component) => `${component.title} (PID ${stack.state.processes[component.name]!.pid})`).join(', ')}.`,
      {
        fix: 'End them by PID; the log may say why they do not end: batchsender logs NAME',
      },
    );
  }
  stack.state.processes = {};
  stack.save();
  return alive;
}

function removeData(stack: Stack): void {
  for (const component of COMPONENTS)
    for (const folder of component.outsideData?.(stack) ?? [])
      rmSync(folder, { recursive: true, force: true });
  stack.purge();
}
