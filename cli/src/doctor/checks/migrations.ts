import { EXIT } from '../../cli-error.ts';
import { worker, workerEnv } from '../../components/worker.ts';
import { runWorker } from '../../worker-program.ts';
import { type Check, failed, ok } from '../check.ts';

export const migrations: Check = {
  id: 'migrations',
  category: 'stack',
  severity: 'critical',
  title: 'whether the database has the schema that this version needs',
  exitCode: EXIT.migrationFailed,
  needs: 'started',
  async detect(facts) {
    const { pendingMigrations } = await facts.inspection();
    if (pendingMigrations.length === 0) return ok('the schema is current');
    return failed(
      `${pendingMigrations.length} migrations are pending: ${pendingMigrations.join(', ')}.`,
      'batchsender up applies them.',
      {
        repair: {
          title: `apply ${pendingMigrations.length} migrations`,
          run: async () => {
            await runWorker(['migrate'], workerEnv(facts.plan.context(worker)));
          },
        },
      },
    );
  },
};
