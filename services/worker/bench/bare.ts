import nodemailer from 'nodemailer';
import { Agent, request } from 'undici';

/**
 * The fastest loop a user of the usual libraries would write, to compare with: same body, same concurrency,
 * no database, no retries. `bare http|smtp PORT COUNT CONCURRENCY`, prints messages per second.
 */
const [kind, port, count, concurrency] = [
  process.argv[2],
  Number(process.argv[3]),
  Number(process.argv[4]),
  Number(process.argv[5]),
];

export function sampleContent(n: number) {
  return {
    subject: `Hello User ${n}`,
    html: `<p>Hello User ${n}, this is message ${n} of your test batch.</p>`,
    text: `Hello User ${n}, this is message ${n} of your test batch.`,
  };
}

const began = performance.now();
if (kind === 'http') await http();
else await smtp();
process.stdout.write(
  `${JSON.stringify({ perSecond: (count * 1000) / (performance.now() - began), cpuSeconds: cpuSeconds() })}\n`,
);
process.exit(0);

async function http(): Promise<void> {
  const agent = new Agent({ connections: concurrency });
  await inParallel(async (n) => {
    const body = JSON.stringify({
      id: `bare.${n}`,
      batchId: 'bare',
      to: `user${n}@example.com`,
      from: 'news@example.com',
      vars: { name: `User ${n}`, number: String(n) },
      ...sampleContent(n),
    });
    const response = await request(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      dispatcher: agent,
      body,
      headers: { 'content-type': 'application/json', 'idempotency-key': `bare.${n}` },
    });
    await response.body.text();
  });
}

async function smtp(): Promise<void> {
  const transport = nodemailer.createTransport({
    pool: true,
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    maxConnections: concurrency,
    maxMessages: Number.POSITIVE_INFINITY,
  });
  await inParallel((n) =>
    transport.sendMail({ from: 'news@example.com', to: `user${n}@example.com`, ...sampleContent(n) }),
  );
  transport.close();
}

async function inParallel(send: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < count) await send(++next);
    }),
  );
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
