import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

/** The alert's figure. */
const LATE_SECONDS = 300;

export const outbox: Check = {
  id: 'outbox',
  category: 'sender',
  severity: 'warning',
  title: 'events that do not reach ClickHouse',
  exitCode: EXIT.sending,
  needs: 'schema',
  async detect(facts) {
    const { rows, oldestSeconds } = (await facts.inspection()).outbox;
    if (oldestSeconds <= LATE_SECONDS) return ok(rows ? `${rows} windows on their way` : 'empty');
    return failed(
      `${rows} windows of events wait for ClickHouse, the first since ${Math.round(oldestSeconds / 60)} min. Nothing is lost, charts are behind.`,
      'docs/runbooks/outbox-lag.md',
    );
  },
};
