import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Every part of the stack runs and answers. Why one ended is the business of the check "last-failure". */
export const components: Check = {
  id: 'components',
  category: 'stack',
  severity: 'critical',
  title: 'whether every part runs and answers',
  exitCode: EXIT.notRunning,
  async detect(facts) {
    if (!facts.started) return skipped('not started yet; run: batchsender up');
    const seen = await facts.components();
    if (seen.every(({ alive }) => !alive)) return skipped('the stack is down; run: batchsender up');
    const down = seen.filter(({ running, outdated }) => !running && !outdated);
    if (down.length === 0) return ok(`${seen.length} parts run and answer`);
    return failed(
      down
        .map(
          ({ component, alive }) =>
            `${component.title} ${alive ? 'runs but does not answer' : 'is not running'}.`,
        )
        .join(' '),
      'batchsender up starts what is missing; the check "last-failure" says why it ended.',
    );
  },
};
