import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Child, startChild, usage } from './child.ts';

/**
 * Messages per second of the whole pipeline beside a bare loop to the same sink in the same run; only the
 * ratio says something on a shared machine. Uses a stack of its own, "bench", and takes it down again.
 */
const { values: flags } = parseArgs({
  options: {
    kinds: { type: 'string', default: 'http,smtp,mock' },
    count: { type: 'string', default: '50000' },
    'smtp-count': { type: 'string', default: '10000' },
    repeat: { type: 'string', default: '3' },
    memory: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const here = import.meta.dirname;
const root = join(here, '../../../..');
const cli = join(root, 'cli/bin/batchsender.mjs');
const key = 'test-api-key';
const HTTP_CONCURRENCY = 64;
const SMTP_CONNECTIONS = 10;

interface Row {
  what: string;
  count: number;
  perSecond: number;
  bare: number | null;
  ratio: number | null;
  cpuPer10k: number;
  peakRssMb: number;
}

const stack = (...args: string[]) =>
  execFileSync(process.execPath, [cli, '--stack', 'bench', '--json', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });

async function main(): Promise<void> {
  stack('up', '--only', 'postgres');
  const env = JSON.parse(stack('env')) as Record<string, string>;
  const database = { DATABASE_URL: env.DATABASE_URL!, SECRET_KEY: env.SECRET_KEY!, LOG_LEVEL: 'info' };
  const program = join(here, '../main.js');
  for (const job of ['migrate', 'seed'])
    execFileSync(process.execPath, [program, job], { env: { ...process.env, ...database } });
  const worker = await startChild(
    process.execPath,
    [program, 'serve'],
    { ...database, PORT: String(await freePort()) },
    'url',
  );
  try {
    const rows: Row[] = [];
    for (const kind of flags.kinds.split(',')) rows.push(await measure(kind, worker));
    if (flags.memory) rows.push(await measureMemory(worker));
    report(rows);
  } finally {
    await worker.stop();
    stack('down', '--volumes');
  }
}

async function measure(kind: string, worker: Child): Promise<Row> {
  const count = Number(kind === 'smtp' ? flags['smtp-count'] : flags.count);
  const sink = kind === 'mock' ? null : await startSink(kind);
  const provider = await createProvider(kind, sink?.port ?? 0, worker);
  const ratios: { pipeline: number; bare: number | null }[] = [];
  const before = usage(worker.process.pid!);
  try {
    for (let i = 0; i < Number(flags.repeat); i++) {
      const bare = sink ? runBare(kind, sink.port, count) : null;
      ratios.push({ bare, pipeline: await runBatch(provider, count, worker) });
      if (sink && kind === 'http') await checkSink(sink.port, count);
    }
  } finally {
    await sink?.stop();
  }
  const after = usage(worker.process.pid!);
  const pipeline = median(ratios.map((one) => one.pipeline));
  const bare = sink ? median(ratios.map((one) => one.bare!)) : null;
  const ratio = sink ? median(ratios.map((one) => one.pipeline / one.bare!)) : null;
  return {
    what: kind,
    count,
    perSecond: pipeline,
    bare,
    ratio,
    cpuPer10k: ((after.cpuSeconds - before.cpuSeconds) * 10_000) / (count * ratios.length),
    peakRssMb: after.peakRssMb,
  };
}

async function measureMemory(worker: Child): Promise<Row> {
  const count = 1_000_000;
  const provider = await createProvider('mock', 0, worker);
  const before = usage(worker.process.pid!);
  const perSecond = await runBatch(provider, count, worker);
  const after = usage(worker.process.pid!);
  return {
    what: 'mock, 1 M uploaded and sent',
    count,
    perSecond,
    bare: null,
    ratio: null,
    cpuPer10k: ((after.cpuSeconds - before.cpuSeconds) * 10_000) / count,
    peakRssMb: after.peakRssMb,
  };
}

async function startSink(kind: string): Promise<{ port: number; stop(): Promise<void> }> {
  const postfix = '/usr/sbin/smtp-sink';
  if (kind === 'smtp' && existsSync(postfix)) {
    const port = await freePort();
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    const child = spawn(postfix, [...user, `127.0.0.1:${port}`, '1000'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await sleep(300);
    return { port, stop: async () => void child.kill('SIGTERM') };
  }
  const child = await startChild(process.execPath, [join(here, `${kind}-sink.js`)], {}, 'port');
  return { port: child.first.port as number, stop: child.stop };
}

function runBare(kind: string, port: number, count: number): number {
  const concurrency = kind === 'http' ? HTTP_CONCURRENCY : SMTP_CONNECTIONS;
  const output = execFileSync(
    process.execPath,
    [join(here, 'bare.js'), kind, String(port), String(count), String(concurrency)],
    { encoding: 'utf8' },
  );
  return (JSON.parse(output) as { perSecond: number }).perSecond;
}

async function createProvider(kind: string, port: number, worker: Child): Promise<string> {
  const name = `${kind}-${process.hrtime.bigint()}`;
  const body =
    kind === 'http'
      ? {
          name,
          kind: 'webhook',
          settings: { url: `http://127.0.0.1:${port}/` },
          limits: { concurrency: HTTP_CONCURRENCY },
        }
      : kind === 'smtp'
        ? {
            name,
            kind: 'smtp',
            settings: { host: '127.0.0.1', port, tls: 'off', connections: SMTP_CONNECTIONS },
            limits: {},
          }
        : { name, kind: 'mock', settings: {}, limits: {} };
  await call(worker, 'POST', '/api/providers', body);
  return name;
}

async function runBatch(provider: string, count: number, worker: Child): Promise<number> {
  const batch = await call<{ id: string }>(worker, 'POST', '/api/batches', {
    name: `bench ${provider}`,
    provider,
    from: 'news@example.com',
    template: {
      subject: 'Hello {{ name }}',
      html: '<p>Hello {{ name }}, this is message {{ number }} of your test batch.</p>',
      text: 'Hello {{ name }}, this is message {{ number }} of your test batch.',
    },
  });
  const uploading = performance.now();
  await upload(worker, batch.id, count);
  const uploaded = performance.now() - uploading;
  if (count >= 100_000)
    process.stderr.write(`upload of ${count}: ${Math.round((count * 1000) / uploaded)} rows/s\n`);
  const began = performance.now();
  await call(worker, 'POST', `/api/batches/${batch.id}/send`);
  for (;;) {
    const { state, counts, total } = await call<{
      state: string;
      counts: Record<string, number>;
      total: number;
    }>(worker, 'GET', `/api/batches/${batch.id}`);
    const sum = Object.values(counts).reduce((a, b) => a + b, 0);
    if (sum !== total) throw new Error(`states add up to ${sum}, not ${total}`);
    if (state === 'completed') {
      if (counts.sent !== total)
        throw new Error(`only ${counts.sent} of ${total} sent: ${JSON.stringify(counts)}`);
      return (count * 1000) / (performance.now() - began);
    }
    await sleep(50);
  }
}

async function upload(worker: Child, id: string, count: number): Promise<void> {
  const encoder = new TextEncoder();
  let next = 1;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode('email,name,number,city,plan\n')),
    pull(controller) {
      if (next > count) return controller.close();
      let text = '';
      for (const end = Math.min(count, next + 4999); next <= end; next++)
        text += `user${next}@example.com,User ${next},${next},Berlin,pro\n`;
      controller.enqueue(encoder.encode(text));
    },
  });
  const response = await fetch(`${worker.first.url}/api/batches/${id}/recipients`, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { authorization: `Bearer ${key}` },
  } as RequestInit);
  if (!response.ok) throw new Error(await response.text());
}

async function checkSink(port: number, count: number): Promise<void> {
  const { requests, distinct } = (await (await fetch(`http://127.0.0.1:${port}/count`)).json()) as {
    requests: number;
    distinct: number;
  };
  await fetch(`http://127.0.0.1:${port}/reset`, { method: 'POST' });
  if (requests !== 2 * count || distinct !== 2 * count)
    throw new Error(`the sink saw ${requests} requests, ${distinct} distinct, of ${2 * count}`);
}

async function call<T>(worker: Child, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${worker.first.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  return (await response.json()) as T;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function report(rows: Row[]): void {
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ date: new Date().toISOString(), cpus: cpus().length, model: cpus()[0]?.model, memoryGb: Math.round(totalmem() / 2 ** 30), node: process.version, rows })}\n`,
    );
    return;
  }
  const cells = rows.map((row) => [
    row.what,
    String(row.count),
    String(Math.round(row.perSecond)),
    row.bare === null ? '-' : String(Math.round(row.bare)),
    row.ratio === null ? '-' : row.ratio.toFixed(2),
    row.cpuPer10k.toFixed(2),
    String(row.peakRssMb),
  ]);
  const all = [['what', 'messages', 'msgs/s', 'bare/s', 'ratio', 'CPU s/10k', 'peak MB'], ...cells];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((line) => line[i]!.length)));
  process.stdout.write(
    `${all.map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')).join('\n')}\n`,
  );
}

await main();
