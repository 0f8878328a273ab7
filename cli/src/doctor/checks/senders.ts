import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

export const senders: Check = {
  id: 'senders',
  category: 'sender',
  severity: 'critical',
  title: 'whether senders and a planner are alive',
  exitCode: EXIT.notRunning,
  needs: 'schema',
  async detect(facts) {
    const { senders: alive, planners } = await facts.inspection();
    const missing = [...(alive ? [] : ['sender']), ...(planners ? [] : ['planner'])];
    if (missing.length === 0) return ok(`${alive} senders, ${planners} planners`);
    return failed(
      `No ${missing.join(' and no ')} is alive: nothing is sent.`,
      'batchsender up starts the worker; its log says why it ended: batchsender logs worker',
    );
  },
};
