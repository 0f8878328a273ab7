import { EXIT } from '../../cli-error.ts';
import { sendTestBatch } from '../../test-batch.ts';
import { type Check, failed, ok } from '../check.ts';

const MESSAGES = 5;
const WITHIN_MS = 30_000;

/** The whole way, once: create, upload, send, deliver. */
export const delivery: Check = {
  id: 'delivery',
  category: 'sender',
  severity: 'critical',
  title: 'a small batch through the mock provider, from its creation to its delivery',
  exitCode: EXIT.sending,
  deep: true,
  needs: 'worker',
  async detect(facts) {
    try {
      const signal = AbortSignal.timeout(WITHIN_MS);
      const batch = await sendTestBatch(facts.workerUrl(), facts.apiKey, MESSAGES, signal);
      return ok(`${batch.counts.sent} of ${batch.total} delivered (batch ${batch.id})`);
    } catch (error) {
      return failed(
        `A test batch was not delivered: ${(error as Error).message}`,
        'The other checks say why; or: batchsender explain BATCH',
      );
    }
  },
};
