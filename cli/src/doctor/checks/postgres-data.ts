import { EXIT } from '../../cli-error.ts';
import { postgres } from '../../components/postgres.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** "invalid_password" in PostgreSQL. */
const WRONG_PASSWORD = '28P01';

export const postgresData: Check = {
  id: 'postgres-data',
  category: 'stack',
  severity: 'critical',
  title: 'whether PostgreSQL’s data knows this stack’s password',
  exitCode: EXIT.dataMismatch,
  async detect(facts) {
    const entry = facts.plan.entries.find(({ component }) => component.name === 'postgres')!;
    if (entry.presence.present !== true) return skipped('PostgreSQL is not run by this stack');
    if (!facts.started) return skipped('not started yet');
    try {
      await postgres.probe(facts.plan.context(postgres));
      return ok('the password is accepted');
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      if (code !== WRONG_PASSWORD) return skipped(`PostgreSQL does not answer: ${message || code}`);
      return failed(
        'PostgreSQL runs, and refuses this stack’s password: its data was made with another one.',
        facts.usesDocker
          ? 'Give it this stack’s, data is kept: batchsender up --reset-password. Or put the old secrets.json back.'
          : `Put the old ${facts.stack.dir}/secrets.json back, or start anew with: batchsender down --volumes`,
      );
    }
  },
};
