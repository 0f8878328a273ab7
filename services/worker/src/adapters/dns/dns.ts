import { Resolver } from 'node:dns/promises';
import type { DnsLookup } from '../../domain/sender-domain.ts';

/** A check must not hang on a silent name server. */
const TIMEOUT_MS = 1500;
const TRIES = 1;

/** The system's name servers, or those given (`address` or `address:port`). */
export class SystemDns implements DnsLookup {
  private readonly resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });

  constructor(servers?: string[]) {
    if (servers) this.resolver.setServers(servers);
  }

  async txt(name: string): Promise<string[]> {
    try {
      return (await this.resolver.resolveTxt(name)).map((strings) => strings.join(''));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTFOUND' || code === 'ENODATA') return [];
      throw error;
    }
  }
}
