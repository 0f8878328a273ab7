import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

export const webhooks: Check = {
  id: 'webhooks',
  category: 'sender',
  severity: 'warning',
  title: 'providers that were told a secret for events, and never called',
  exitCode: EXIT.sending,
  needs: 'schema',
  async detect(facts) {
    const { silentWebhooks } = await facts.inspection();
    if (silentWebhooks.length === 0)
      return ok('every provider that should call does, or has sent nothing yet');
    const base = facts.env.PUBLIC_URL || facts.workerUrl();
    return failed(
      `${silentWebhooks.map(({ name }) => name).join(', ')} sent messages and never called its webhook: bounces and complaints are not seen.`,
      `Give the provider this address: ${silentWebhooks.map(({ id }) => `${base}/webhooks/${id}`).join(', ')}${facts.env.PUBLIC_URL ? '' : ' (with PUBLIC_URL set to where it reaches you)'}`,
    );
  },
};
