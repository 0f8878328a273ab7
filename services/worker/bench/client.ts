import { setTimeout as sleep } from 'node:timers/promises';

const KEY = 'test-api-key';
const ROWS_PER_CHUNK = 5000;

interface Batch {
  id: string;
  state: string;
  total: number;
  counts: Record<string, number>;
}

/** The API as the benchmark uses it. */
export class BenchClient {
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async addProvider(kind: string, settings: object, limits: object = {}): Promise<string> {
    const name = `${kind}-${process.hrtime.bigint()}`;
    await this.call('POST', '/api/providers', { name, kind, settings, limits });
    return name;
  }

  /** A batch with its recipients, not sent yet; and the rows a second they were taken in. */
  async prepare(provider: string, count: number): Promise<{ id: string; rowsPerSecond: number }> {
    const { id } = await this.call<Batch>('POST', '/api/batches', {
      name: `bench ${provider}`,
      provider,
      from: 'news@example.com',
      template: {
        subject: 'Hello {{ name }}',
        html: '<p>Hello {{ name }}, this is message {{ number }} of your test batch.</p>',
        text: 'Hello {{ name }}, this is message {{ number }} of your test batch.',
      },
    });
    const began = performance.now();
    const response = await fetch(`${this.url}/api/batches/${id}/recipients`, {
      method: 'POST',
      body: recipients(count),
      duplex: 'half',
      headers: { authorization: `Bearer ${KEY}` },
    } as RequestInit);
    if (!response.ok) throw new Error(await response.text());
    return { id, rowsPerSecond: (count * 1000) / (performance.now() - began) };
  }

  /** Sends and waits for the end; messages a second. Every look checks that the states add up. */
  async send(id: string): Promise<number> {
    const began = performance.now();
    await this.call('POST', `/api/batches/${id}/send`);
    for (;;) {
      const { state, counts, total } = await this.call<Batch>('GET', `/api/batches/${id}`);
      const sum = Object.values(counts).reduce((a, b) => a + b, 0);
      if (sum !== total) throw new Error(`states add up to ${sum}, not ${total}`);
      if (state === 'completed') {
        if (counts.sent !== total)
          throw new Error(`only ${counts.sent} of ${total} sent: ${JSON.stringify(counts)}`);
        return (total * 1000) / (performance.now() - began);
      }
      // A look sums the batch's chunk rows: what the onlooker costs is not the message's cost.
      await sleep(total > 100_000 ? 250 : 50);
    }
  }
}

/** Five columns. */
function recipients(count: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next = 1;
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode('email,name,number,city,plan\n')),
    pull(controller) {
      if (next > count) return controller.close();
      let text = '';
      for (const end = Math.min(count, next + ROWS_PER_CHUNK - 1); next <= end; next++)
        text += `user${next}@example.com,User ${next},${next},Berlin,pro\n`;
      controller.enqueue(encoder.encode(text));
    },
  });
}
