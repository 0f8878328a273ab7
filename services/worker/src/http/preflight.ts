import { parseEmail } from '../domain/address/email.ts';
import { AppError } from '../domain/errors.ts';
import { sustainedPerSecond } from '../domain/rate.ts';
import { checkSenderDomain, type SenderDomainCheck } from '../domain/sender-domain.ts';
import type { BatchContent } from '../pipeline/chunk-store.ts';
import { type RenderFailure, type RenderReport, renderReport } from '../pipeline/preflight.ts';
import type { AppDeps } from './app.ts';
import type { BatchDetail } from './batch-stores.ts';
import type { Preflight } from './preflight-schema.ts';

/** Gmail and Yahoo ask one-click unsubscribe, SPF, DKIM and DMARC of whoever sends more than this a day. */
const BULK_PER_DAY = 5000;
/** Mails above this are cut off by Gmail's reader ("message clipped"), bytes of HTML. */
const CLIPPED_AT_BYTES = 102_400;

type PreflightProblem = Preflight['problems'][number];

/** Everything that can be known before the first message goes out. */
export async function preflight(accountId: string, id: string, deps: AppDeps): Promise<Preflight> {
  const batch = await deps.batches.get(accountId, id);
  const content = await deps.batches.content(accountId, id);
  const [rendering, rejected, sender, sentToday] = await Promise.all([
    renderReport(content, deps.batches.recipients(id, accountId), deps.links),
    deps.imports.rejectedByReason(id),
    senderDomain(content, batch, deps),
    batch.provider.limits.perDay ? deps.batches.sentLastDay(batch.provider.id) : 0,
  ]);
  const provider = providerPart(batch, sentToday);
  const willBeSent = rendering.checked - rendering.suppressed - rendering.failing;
  const oneClickUnsubscribe =
    content.unsubscribe ||
    (hasHeader(content, 'list-unsubscribe') && hasHeader(content, 'list-unsubscribe-post'));
  const problems = [
    ...recipientProblems(batch, rendering, willBeSent),
    ...senderProblems(sender, batch, oneClickUnsubscribe),
    ...deliveryProblems(batch, provider, rendering, willBeSent),
  ];
  const result: Preflight = {
    ok: problems.every(({ severity }) => severity !== 'error'),
    at: new Date().toISOString(),
    problems,
    recipients: {
      total: batch.total,
      willBeSent,
      suppressed: rendering.suppressed,
      failing: rendering.failing,
      rejected,
    },
    rendering,
    sender,
    oneClickUnsubscribe,
    provider,
    etaSeconds: provider.perSecond === null ? null : Math.ceil(willBeSent / provider.perSecond),
  };
  await deps.batches.keepPreflight(id, { at: result.at, ok: result.ok, total: batch.total });
  return result;
}

/** @throws AppError `preflight_required` for a large batch that has not passed one as it is now */
export function requirePreflight(batch: BatchDetail, above: number): void {
  if (batch.total <= above || batch.state !== 'draft') return;
  if (batch.preflight?.ok && batch.preflight.total === batch.total) return;
  throw new AppError(
    'preflight_required',
    409,
    batch.preflight && !batch.preflight.ok
      ? 'The last preflight of this batch found errors.'
      : `A batch of more than ${above} recipients must pass a preflight first.`,
    { fix: `POST /api/batches/${batch.id}/preflight, mend what it finds, then send.` },
  );
}

/** Domain checks for an address as it stands in From; null for a sender without a domain (SMS). */
async function senderDomain(
  content: BatchContent,
  batch: BatchDetail,
  deps: AppDeps,
): Promise<SenderDomainCheck | null> {
  const from = content.sender === null ? null : parseEmail(content.sender);
  if (content.channel !== 'email' || !from?.valid) return null;
  const { settings } = await deps.providers.config(content.accountId, batch.provider.id);
  const { dkimDomain, dkimSelector, dkimPrivateKey } = settings as Record<string, string | undefined>;
  const dkim =
    dkimDomain && dkimSelector && dkimPrivateKey
      ? { domain: dkimDomain, selector: dkimSelector, privateKey: dkimPrivateKey }
      : null;
  return checkSenderDomain(from.domain, dkim, deps.dns);
}

function hasHeader({ template }: BatchContent, name: string): boolean {
  return Object.keys(template.headers ?? {}).some((header) => header.toLowerCase() === name);
}

function providerPart({ provider }: BatchDetail, sentToday: number): Preflight['provider'] {
  const perSecond = sustainedPerSecond(provider.limits);
  const perDay = provider.limits.perDay ?? null;
  return {
    name: provider.name,
    state: provider.state,
    perSecond: Number.isFinite(perSecond) ? perSecond : null,
    perDay,
    leftToday: perDay === null ? null : Math.max(0, perDay - sentToday),
  };
}

const error = (code: string, message: string, fix: string | null = null): PreflightProblem => ({
  severity: 'error',
  code,
  message,
  fix,
});
const warning = (code: string, message: string, fix: string | null = null): PreflightProblem => ({
  severity: 'warning',
  code,
  message,
  fix,
});

function recipientProblems(
  batch: BatchDetail,
  rendering: RenderReport,
  willBeSent: number,
): PreflightProblem[] {
  if (batch.total === 0) return [error('batch_empty', 'The batch has no recipients.', 'Upload them first.')];
  const problems = byVariable(rendering.failures).map(({ code, variable, count, part, example }) =>
    error(
      code,
      code === 'missing_variable'
        ? `${count} of ${rendering.checked} recipients have no "${variable}" (${part}); the first is ${example.address}.`
        : `${count} of ${rendering.checked} messages cannot be made; the first is for ${example.address}: ${example.message}.`,
      code === 'missing_variable'
        ? `Add the column, give a default ("defaults": {"${variable}": "…"} or {{ ${variable} | default: "…" }}), or set "missingVariables": "empty".`
        : 'Mend the template, or that recipient.',
    ),
  );
  if (willBeSent === 0 && problems.length === 0)
    problems.push(error('all_suppressed', 'Every recipient is on the suppression list.'));
  return problems;
}

/** A variable that is missing in several parts is one problem. */
function byVariable(failures: RenderFailure[]): RenderFailure[] {
  const found = new Map<string, RenderFailure>();
  for (const failure of failures) {
    const key = failure.variable ?? `${failure.code} ${failure.part}`;
    const known = found.get(key);
    found.set(key, known ? { ...known, part: `${known.part}, ${failure.part}` } : failure);
  }
  return [...found.values()];
}

function senderProblems(
  sender: SenderDomainCheck | null,
  batch: BatchDetail,
  oneClick: boolean,
): PreflightProblem[] {
  if (!sender) return [];
  const problems: PreflightProblem[] = [];
  for (const name of ['spf', 'dkim', 'dmarc'] as const) {
    const { status, detail } = sender[name];
    if (status === 'ok' || (name === 'dkim' && status === 'unknown')) continue;
    const make = name === 'dkim' && status === 'invalid' ? error : warning;
    problems.push(make(`${name}_${status}`, detail));
  }
  if (!oneClick && batch.total > BULK_PER_DAY)
    problems.push(
      warning(
        'no_one_click_unsubscribe',
        `Large mailbox providers require one-click unsubscribe of who sends more than ${BULK_PER_DAY} mails a day.`,
        'Create the batch with "unsubscribe": true.',
      ),
    );
  return problems;
}

function deliveryProblems(
  batch: BatchDetail,
  provider: Preflight['provider'],
  rendering: RenderReport,
  willBeSent: number,
): PreflightProblem[] {
  const problems: PreflightProblem[] = [];
  if (provider.state === 'paused')
    problems.push(
      warning(
        'provider_paused',
        `Provider ${provider.name} is paused: ${batch.provider.pauseReason}.`,
        `batchsender provider resume ${provider.name}`,
      ),
    );
  if (provider.leftToday !== null && provider.leftToday < willBeSent)
    problems.push(
      warning(
        'quota_short',
        `${provider.leftToday} of ${provider.perDay} messages a day are left; the rest waits.`,
      ),
    );
  if (Buffer.byteLength(rendering.largest?.html ?? '') > CLIPPED_AT_BYTES)
    problems.push(
      warning(
        'html_clipped',
        `The HTML is larger than ${CLIPPED_AT_BYTES / 1024} KiB; Gmail shows only the beginning.`,
      ),
    );
  if (rendering.relativeLinks.length)
    problems.push(
      warning(
        'relative_link',
        `A link leads nowhere in a message: ${rendering.relativeLinks.slice(0, 3).join(', ')}.`,
        'Write the whole address, https://….',
      ),
    );
  return problems;
}
