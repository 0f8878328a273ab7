import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkSenderDomain } from '../../src/domain/sender-domain.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const published = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
const dkim = { domain: 'example.com', selector: 's1', privateKey: pem };

const check = async (records: Record<string, string[]>, domain = 'example.com') => {
  const {
    spf,
    dkim: signed,
    dmarc,
  } = await checkSenderDomain(domain, dkim, {
    txt: async (name) => records[name] ?? [],
  });
  return [spf.status, signed.status, dmarc.status];
};

const GOOD = {
  'example.com': ['google-site-verification=x', 'v=spf1 include:_spf.example.net ~all'],
  's1._domainkey.example.com': [`v=DKIM1; k=ed25519; p=${published}`],
  '_dmarc.example.com': ['v=DMARC1; p=none; rua=mailto:d@example.com'],
};

describe('a sender domain', () => {
  test.each([
    ['has all three', {}, ['ok', 'ok', 'ok']],
    ['has no SPF', { 'example.com': ['other'] }, ['missing', 'ok', 'ok']],
    ['has SPF twice', { 'example.com': ['v=spf1 -all', 'v=spf1 ~all'] }, ['invalid', 'ok', 'ok']],
    ['lets everybody send', { 'example.com': ['v=spf1 +all'] }, ['warning', 'ok', 'ok']],
    [
      'needs too many lookups',
      { 'example.com': [`v=spf1 ${'include:a.example '.repeat(11)}-all`] },
      ['invalid', 'ok', 'ok'],
    ],
    ['has no DKIM record', { 's1._domainkey.example.com': [] }, ['ok', 'missing', 'ok']],
    ['has a revoked key', { 's1._domainkey.example.com': ['v=DKIM1; p='] }, ['ok', 'invalid', 'ok']],
    ['has another key', { 's1._domainkey.example.com': ['v=DKIM1; p=AAAA'] }, ['ok', 'invalid', 'ok']],
    ['has no DMARC', { '_dmarc.example.com': [] }, ['ok', 'ok', 'missing']],
    ['has DMARC without a policy', { '_dmarc.example.com': ['v=DMARC1'] }, ['ok', 'ok', 'invalid']],
  ] as [string, Record<string, string[]>, string[]][])('that %s', async (_what, changed, expected) => {
    expect(await check({ ...GOOD, ...changed })).toEqual(expected);
  });

  test('that is a subdomain has the DMARC record of its parent', async () => {
    expect(await check({ ...GOOD, 'news.example.com': ['v=spf1 -all'] }, 'news.example.com')).toEqual([
      'ok',
      'ok',
      'ok',
    ]);
  });

  test('whose DNS cannot be asked is unknown, with the reason', async () => {
    const failing = { txt: () => Promise.reject(new Error('queryTxt ETIMEOUT')) };
    const { spf } = await checkSenderDomain('example.com', null, failing);
    expect(spf).toEqual({ status: 'unknown', detail: expect.stringContaining('ETIMEOUT') });
  });
});
