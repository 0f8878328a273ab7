import { createServer, type ServerResponse } from 'node:http';
import { type PeerBehaviour, startSmtpPeer } from '../test/support/smtp-peer.ts';

/** What arrived at the receiving end: how often each message. */
export interface Sink {
  port: number;
  arrivals(): Map<string, number>;
  /** Arrivals in all. */
  total(): number;
  close(): Promise<void>;
}

/** What an HTTP sink does with one message; `take` counts it as arrived. */
export type HttpBehaviour = (seen: number, response: ServerResponse, take: () => void) => void;

const LATENCY_MS = 3;

export async function startHttpSink(behaviour?: HttpBehaviour): Promise<Sink> {
  const counts = new Map<string, number>();
  let seen = 0;
  let total = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      const key = String(request.headers['idempotency-key']);
      const take = () => {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        total++;
      };
      seen++;
      if (behaviour) return behaviour(seen, response, take);
      take();
      setTimeout(() => response.end('{}'), LATENCY_MS);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    arrivals: () => counts,
    total: () => total,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function startSmtpSink(behaviour: PeerBehaviour): Promise<Sink> {
  const peer = await startSmtpPeer({ pipelining: true, eightBitMime: true, ...behaviour });
  return {
    port: peer.port,
    arrivals: () => {
      const counts = new Map<string, number>();
      for (const mail of peer.mails) counts.set(mail.to, (counts.get(mail.to) ?? 0) + 1);
      return counts;
    },
    total: () => peer.mails.length,
    close: peer.close,
  };
}
