import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

export const senders: Check = {
  id: 'senders',
  category: 'sender',
  severity: 'critical',
  title: 'whether senders and a planner are alive',
  exitCode: EXIT.notRunning,
  async detect(facts) {
    if (!facts.started) return skipped('not started yet');
    const { senders: alive, planners, pendingMigrations } = await facts.inspection();
    if (pendingMigrations.length) return skipped('see migrations');
    const missing = [...(alive ? [] : ['sender']), ...(planners ? [] : ['planner'])];
    if (missing.length === 0) return ok(`${alive} senders, ${planners} planners`);
    return failed(
      `No ${missing.join(' and no ')} is alive: nothing is sent.`,
      'batchsender up starts the worker; its log says why it ended: batchsender logs worker',
    );
  },
};
