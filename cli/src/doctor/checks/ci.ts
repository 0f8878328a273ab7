import { EXIT } from '../../cli-error.ts';
import { stopStack } from '../../runtimes/stop-stack.ts';
import { type Check, failed, ok, repairOf } from '../check.ts';

const STALE_HOURS = 6;

/** A runner of one's own keeps what the last job left: the next one meets old data and taken ports. */
export const ci: Check = {
  id: 'ci',
  category: 'host',
  severity: 'warning',
  title: 'in CI: a stack that a former job left running',
  exitCode: EXIT.leftovers,
  async detect({ env, stack }) {
    if (!env.CI) return ok('not in CI');
    const oldest = Object.values(stack.state.processes)
      .map(({ startedAt }) => Date.parse(startedAt))
      .sort((a, b) => a - b)[0];
    const hours = oldest === undefined ? 0 : (Date.now() - oldest) / 3_600_000;
    if (hours > STALE_HOURS)
      return failed(
        `This is CI, and the stack runs since ${new Date(oldest!).toISOString()}: a former job left it.`,
        'Begin jobs with: batchsender down --volumes',
        {
          repair: repairOf(stack, 'stop it (its data is kept)', () => stopStack(stack, false)),
        },
      );
    return ok('CI; no stack of a former job');
  },
};
