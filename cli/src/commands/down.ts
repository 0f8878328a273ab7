import { rmSync } from 'node:fs';
import { COMPONENTS } from '../components/all.ts';
import { stopStack } from '../runtimes/stop-stack.ts';
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
  const stopped = await withLock(stack, 'batchsender down', () => stopStack(stack, flags.volumes === true));
  if (flags.volumes) removeData(stack);
  return { stopped, volumesRemoved: flags.volumes === true };
}

function removeData(stack: Stack): void {
  for (const component of COMPONENTS)
    for (const folder of component.outsideData?.(stack) ?? [])
      rmSync(folder, { recursive: true, force: true });
  stack.purge();
}
