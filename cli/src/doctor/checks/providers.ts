import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

export const providers: Check = {
  id: 'providers',
  category: 'sender',
  severity: 'critical',
  title: 'providers that are paused, and why',
  exitCode: EXIT.sending,
  needs: 'schema',
  async detect(facts) {
    const { pausedProviders } = await facts.inspection();
    if (pausedProviders.length === 0) return ok('none is paused');
    return failed(
      pausedProviders
        .map(({ name, reason }) => `${name} is paused: ${reason ?? 'no reason given'}`)
        .join('; '),
      `Mend the cause, then: ${pausedProviders.map(({ name }) => `batchsender provider resume ${name}`).join(', ')}`,
    );
  },
};
