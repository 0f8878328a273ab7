import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

export const apiKey: Check = {
  id: 'api-key',
  category: 'sender',
  severity: 'critical',
  title: 'whether the API accepts the key that commands use',
  exitCode: EXIT.config,
  needs: 'worker',
  async detect(facts) {
    const response = await fetch(`${facts.workerUrl()}/api/batches?limit=1`, {
      headers: { authorization: `Bearer ${facts.apiKey}` },
    });
    if (response.ok) return ok('accepted');
    if (response.status !== 401) return skipped(`the API answered ${response.status}`);
    const given = facts.env.BATCHSENDER_API_KEY ? 'The key in BATCHSENDER_API_KEY' : 'The development key';
    return failed(
      `${given} is not accepted: it is unknown or was revoked.`,
      facts.env.BATCHSENDER_API_KEY
        ? 'Set BATCHSENDER_API_KEY to a key of this stack, or unset it for the development key.'
        : 'Create the development account again with "batchsender seed", or set BATCHSENDER_API_KEY.',
    );
  },
};
