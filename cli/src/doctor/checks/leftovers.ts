import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../cli-error.ts';
import { leftovers as containersOf, removeContainer } from '../../runtimes/docker/removal.ts';
import { isAlive } from '../../runtimes/embedded/process.ts';
import type { ProcessRecord, Stack } from '../../stack/stack.ts';
import { type Check, failed, ok, repairOf, skipped } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

/** What an interrupted run or a reboot leaves: records of processes that are gone, a lock, containers of no plan. */
export const leftovers: Check = {
  id: 'leftovers',
  category: 'stack',
  severity: 'warning',
  title: 'what an interrupted command or a reboot left behind',
  exitCode: EXIT.leftovers,
  async detect(facts) {
    const { stack } = facts;
    if (!stack.exists) return skipped('no stack yet');
    const stale = Object.entries(stack.state.processes)
      .filter(([, record]) => !isAlive(record))
      .map(([name]) => name);
    const lock = deadLock(stack);
    const strays = await strayContainers(facts);
    const said = [
      ...(stale.length ? [`records of processes that are gone (${stale.join(', ')})`] : []),
      ...(lock ? ['a lock whose owner is gone'] : []),
      ...(strays.length
        ? [`containers that do not belong (${strays.map(({ name }) => name).join(', ')})`]
        : []),
    ];
    if (said.length === 0) return ok('nothing was left behind');
    return failed(
      `Left behind: ${said.join('; ')}.`,
      'batchsender up goes on from there; --fix removes them. Data is kept.',
      {
        // A dead owner's lock is taken over, and so removed, by taking the lock.
        repair: repairOf(stack, `remove ${said.join(' and ')}`, async () => {
          for (const name of stale)
            if (!isAlive(stack.state.processes[name])) delete stack.state.processes[name];
          stack.save();
          const engine = strays.length ? await facts.engine() : null;
          for (const { id } of strays) await removeContainer(engine!.docker, id);
        }),
      },
    );
  },
};

function deadLock(stack: Stack): boolean {
  const file = join(stack.dir, 'lock');
  if (!existsSync(file)) return false;
  try {
    return !isAlive((JSON.parse(readFileSync(file, 'utf8')) as { process: ProcessRecord }).process);
  } catch {
    return false;
  }
}

/** Ours by their label, and not part of what the stack is to run now. */
async function strayContainers(facts: DoctorFacts) {
  const engine = facts.stack.state.usedDocker ? await facts.engine() : null;
  if (!engine) return [];
  const wanted = facts.usesDocker ? facts.plan.running.map(({ name }) => name as string) : [];
  return (await containersOf(engine.docker, facts.stack)).filter(
    ({ component }) => !wanted.includes(component),
  );
}
