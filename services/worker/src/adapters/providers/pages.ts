import type { ProviderPages } from '../../http/routes/webhooks.ts';

const ANSWER_WITHIN_MS = 5000;
/** One provider has one certificate at a time; the next one comes under another address. */
const KEPT = 16;

/** Pages of providers, over HTTPS; certificates are kept, since every event names one. */
export class HttpsPages implements ProviderPages {
  private readonly certificates = new Map<string, string>();

  async certificate(url: string): Promise<string> {
    const known = this.certificates.get(url);
    if (known) return known;
    const text = await (await get(url)).text();
    if (this.certificates.size >= KEPT) this.certificates.clear();
    this.certificates.set(url, text);
    return text;
  }

  async visit(url: string): Promise<void> {
    await (await get(url)).arrayBuffer();
  }
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}
