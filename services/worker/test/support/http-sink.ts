import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface Received {
  key: string;
  body: { id: string; to: string; subject: string; html: string; text: string; vars: Record<string, string> };
}

export interface HttpSink {
  url: string;
  received: Received[];
  /** How often each key arrived. */
  counts(): Map<string, number>;
  close(): Promise<void>;
}

/** A receiver that keeps what it gets; `answer` decides what it says, 200 by default. */
export async function startHttpSink(
  answer?: (
    request: IncomingMessage,
    received: Received,
    response: ServerResponse,
  ) => boolean | Promise<boolean>,
): Promise<HttpSink> {
  const received: Received[] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one = {
      key: String(request.headers['idempotency-key']),
      body: JSON.parse(Buffer.concat(chunks).toString()),
    };
    if (answer && (await answer(request, one, response))) return;
    received.push(one);
    response.end('{}');
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    received,
    counts: () => {
      const counts = new Map<string, number>();
      for (const { key } of received) counts.set(key, (counts.get(key) ?? 0) + 1);
      return counts;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
