import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

const RECORDS = ['spf', 'dkim', 'dmarc'] as const;

export const senderDomains: Check = {
  id: 'sender-domains',
  category: 'sender',
  severity: 'warning',
  title: 'SPF, DKIM and DMARC of the domains that batches were sent from (asks the DNS)',
  exitCode: EXIT.sending,
  deep: true,
  needs: 'schema',
  async detect(facts) {
    const { senderDomains: domains, senderChecks } = await facts.inspectionWithDomains();
    if (domains.length === 0) return ok('nothing was sent through a real provider in 30 days');
    const problems = senderChecks.flatMap((check) =>
      RECORDS.flatMap((record) => {
        const { status, detail } = check[record] as { status: string; detail: string };
        return status === 'ok' || status === 'unknown' ? [] : [`${check.domain}: ${detail}`];
      }),
    );
    if (problems.length === 0) return ok(`${domains.join(', ')}: SPF and DMARC are in order`);
    return failed(
      `${problems.length} records need work.`,
      'Mend them at your DNS provider; each line says how.',
      {
        evidence: problems,
      },
    );
  },
};
