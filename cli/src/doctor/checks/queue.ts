import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

/** Chunks are claimed within a second; a lane that is limited has one chunk at a time, and the others wait their turn. */
const WAITS_LONG_SECONDS = 900;

export const queue: Check = {
  id: 'queue',
  category: 'sender',
  severity: 'warning',
  title: 'chunks that wait too long, leases that nobody gives back, messages of uncertain end',
  exitCode: EXIT.sending,
  needs: 'schema',
  async detect(facts) {
    const { expiredLeases, queues, uncertain } = await facts.inspection();
    if (expiredLeases > 0)
      return failed(
        `${expiredLeases} leases ran out and were not given back: no planner leads.`,
        'See the check "senders", and docs/runbooks/lease-churn.md.',
      );
    const late = queues.filter(({ oldestReadySeconds }) => (oldestReadySeconds ?? 0) > WAITS_LONG_SECONDS);
    if (late.length > 0)
      return failed(
        late
          .map(
            ({ provider, queued, oldestReadySeconds }) =>
              `${provider}: ${queued} messages wait, the first since ${Math.round(oldestReadySeconds! / 60)} min`,
          )
          .join('; '),
        'batchsender explain BATCH says what a batch waits for; docs/runbooks/no-deliveries.md.',
      );
    if (uncertain.length > 0)
      return failed(
        `Nobody knows the end of ${uncertain.reduce((sum, { count }) => sum + count, 0)} messages, in ${uncertain.map(({ batch }) => batch).join(', ')}.`,
        'docs/runbooks/uncertain-messages.md',
      );
    const waiting = queues.reduce((sum, { queued }) => sum + queued, 0);
    return ok(waiting ? `${waiting} messages wait, none for long` : 'nothing waits');
  },
};
