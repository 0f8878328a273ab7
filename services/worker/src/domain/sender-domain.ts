import { createPublicKey } from 'node:crypto';

/** Answers of the DNS; an empty list when there is no such record. Throws when it could not be asked. */
export interface DnsLookup {
  /** TXT records, the strings of each joined (RFC 7208 §3.3). */
  txt(name: string): Promise<string[]>;
}

export interface RecordCheck {
  status: 'ok' | 'warning' | 'missing' | 'invalid' | 'unknown';
  /** What was found, and what to do about it. */
  detail: string;
}

export interface SenderDomainCheck {
  domain: string;
  spf: RecordCheck;
  dkim: RecordCheck;
  dmarc: RecordCheck;
}

/** How we sign, when we do; otherwise the provider does, with a selector that we do not know. */
export interface DkimIdentity {
  domain: string;
  selector: string;
  privateKey: string;
}

/** SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) of a sender's domain, as receivers see them. */
export async function checkSenderDomain(
  domain: string,
  dkim: DkimIdentity | null,
  dns: DnsLookup,
): Promise<SenderDomainCheck> {
  const [spf, dkimCheck, dmarc] = await Promise.all([
    guarded(async () => checkSpf(domain, await dns.txt(domain))),
    dkim
      ? guarded(async () =>
          checkDkim(domain, dkim, await dns.txt(`${dkim.selector}._domainkey.${dkim.domain}`)),
        )
      : {
          status: 'unknown' as const,
          detail: 'The provider has no DKIM settings here; if it signs itself, check it there.',
        },
    guarded(() => checkDmarc(domain, dns)),
  ]);
  return { domain, spf, dkim: dkimCheck, dmarc };
}

async function guarded(check: () => Promise<RecordCheck>): Promise<RecordCheck> {
  try {
    return await check();
  } catch (error) {
    return { status: 'unknown', detail: `The DNS could not be asked: ${(error as Error).message}.` };
  }
}

function checkSpf(domain: string, records: string[]): RecordCheck {
  const spf = records.filter((record) => /^v=spf1(?: |$)/i.test(record));
  if (spf.length === 0)
    return {
      status: 'missing',
      detail: `${domain} has no SPF record. Add TXT "v=spf1 include:YOUR-PROVIDER ~all".`,
    };
  if (spf.length > 1)
    return {
      status: 'invalid',
      detail: `${domain} has ${spf.length} SPF records; receivers accept only one (RFC 7208 §4.5). Merge them.`,
    };
  const record = spf[0]!;
  if (/[+ ]all\b/i.test(record) && !/[-~?]all\b/i.test(record))
    return {
      status: 'warning',
      detail: `"${record}" lets everybody send for ${domain}. End it with ~all or -all.`,
    };
  const lookups =
    record.match(/\b(?:include:|redirect=|exists:|a(?=[:/ ]|$)|mx(?=[:/ ]|$)|ptr)/gi)?.length ?? 0;
  if (lookups > 10)
    return {
      status: 'invalid',
      detail: `"${record}" needs ${lookups} DNS lookups; more than 10 make it fail.`,
    };
  return { status: 'ok', detail: record };
}

function checkDkim(
  from: string,
  { domain, selector, privateKey }: DkimIdentity,
  records: string[],
): RecordCheck {
  const name = `${selector}._domainkey.${domain}`;
  const record = records.find((text) => /(?:^|;)\s*p=/i.test(text));
  if (!record)
    return {
      status: 'missing',
      detail: `${name} has no DKIM record. Publish the public key of the provider's dkimPrivateKey there.`,
    };
  const published = /(?:^|;)\s*p=([^;]*)/i.exec(record)![1]!.replace(/\s/g, '');
  if (published === '') return { status: 'invalid', detail: `The key at ${name} is revoked (p= is empty).` };
  if (!publicKeys(privateKey).includes(published))
    return { status: 'invalid', detail: `The key at ${name} is not the one that mails are signed with.` };
  if (!sameOrganisation(from, domain))
    return {
      status: 'warning',
      detail: `Mails are signed for ${domain}, which is not aligned with ${from} (DMARC).`,
    };
  return { status: 'ok', detail: `${name} holds our key.` };
}

/** The forms in which a public key may stand in the DNS: RSA as SubjectPublicKeyInfo, Ed25519 raw (RFC 8463). */
function publicKeys(privateKey: string): string[] {
  const der = createPublicKey(privateKey.replaceAll('\\n', '\n')).export({ type: 'spki', format: 'der' });
  return [der.toString('base64'), der.subarray(-32).toString('base64')];
}

/** The record of the domain, or of the nearest parent that has one. */
async function checkDmarc(domain: string, dns: DnsLookup): Promise<RecordCheck> {
  const labels = domain.split('.');
  for (let i = 0; i <= labels.length - 2; i++) {
    const name = labels.slice(i).join('.');
    const record = (await dns.txt(`_dmarc.${name}`)).find((text) => /^v=DMARC1\b/i.test(text));
    if (!record) continue;
    const policy = /;\s*p=(\w+)/i.exec(record)?.[1]?.toLowerCase();
    if (!policy) return { status: 'invalid', detail: `"${record}" at _dmarc.${name} has no policy (p=).` };
    return policy === 'none'
      ? { status: 'ok', detail: `${record} (only watches; p=quarantine protects the domain)` }
      : { status: 'ok', detail: record };
  }
  return {
    status: 'missing',
    detail: `${domain} has no DMARC record, which large mailbox providers require of bulk senders. Add TXT "v=DMARC1; p=none" at _dmarc.${domain}.`,
  };
}

function sameOrganisation(a: string, b: string): boolean {
  return a === b || a.endsWith(`.${b}`) || b.endsWith(`.${a}`);
}
