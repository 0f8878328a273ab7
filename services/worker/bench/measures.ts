import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { BenchClient } from './client.ts';
import type { Cluster } from './cluster.ts';
import {
  checkHttpSink,
  HTTP_CONCURRENCY,
  runBare,
  type SinkKind,
  SMTP_CONNECTIONS,
  startSink,
} from './sink.ts';

export interface Row {
  what: string;
  count: number;
  perSecond: number;
  bare: number | null;
  ratio: number | null;
  workerCpuPer10k: number;
  postgresCpuPer10k: number;
  peakRssMb: number;
}

export async function measureKind(
  kind: SinkKind | 'mock',
  cluster: Cluster,
  label: string,
  count: number,
  repeat: number,
): Promise<Row> {
  const client = new BenchClient(cluster.url);
  const sink = kind === 'mock' ? null : await startSink(kind);
  const provider = await addProvider(kind, client, sink?.port ?? 0);
  const runs: { pipeline: number; bare: number | null }[] = [];
  const before = cluster.usage();
  try {
    for (let i = 0; i < repeat; i++) {
      const bare = sink && kind !== 'mock' ? runBare(kind, sink.port, count) : null;
      const { id } = await client.prepare(provider, count);
      runs.push({ bare, pipeline: await client.send(id) });
      if (sink && kind === 'http') await checkHttpSink(sink.port, count);
    }
  } finally {
    await sink?.stop();
  }
  const ratio = sink ? median(runs.map((one) => one.pipeline / one.bare!)) : null;
  const bare = sink ? median(runs.map((one) => one.bare!)) : null;
  return {
    what: `${kind}, ${label}`,
    count,
    perSecond: median(runs.map((one) => one.pipeline)),
    bare,
    ratio,
    ...cost(cluster, before, count * repeat),
  };
}

/** Peak memory while a million recipients are uploaded and sent. */
export async function measureMillion(cluster: Cluster): Promise<Row & { rowsPerSecond: number }> {
  const count = 1_000_000;
  const client = new BenchClient(cluster.url);
  const provider = await client.addProvider('mock', {});
  const before = cluster.usage();
  const { id, rowsPerSecond } = await client.prepare(provider, count);
  const perSecond = await client.send(id);
  return {
    what: 'mock, a million',
    count,
    perSecond,
    bare: null,
    ratio: null,
    rowsPerSecond,
    ...cost(cluster, before, count),
  };
}

/** Cost of a message in a small and in a large batch, in CPU of workers and PostgreSQL together. */
export async function measureFlat(
  cluster: Cluster,
  large: number,
): Promise<{ small: number; large: number; ratio: number }> {
  const small = 10_000;
  const client = new BenchClient(cluster.url);
  const provider = await client.addProvider('mock', {});
  const run = async (count: number, times: number) => {
    let cpu = 0;
    for (let i = 0; i < times; i++) {
      const { id } = await client.prepare(provider, count);
      const before = cluster.usage();
      await client.send(id);
      const after = cluster.usage();
      cpu += after.workerCpu + after.postgresCpu - before.workerCpu - before.postgresCpu;
    }
    return (cpu * 1e6) / (count * times);
  };
  await run(small, 5);
  const microseconds = { small: await run(small, 20), large: await run(large, 1) };
  return { ...microseconds, ratio: microseconds.large / microseconds.small };
}

/** Milliseconds within which 95 of 100 looks at a batch are answered, with many messages there and a batch at full speed. */
export async function measureApi(
  cluster: Cluster,
  messages: number,
): Promise<{ messages: number; p95: number }> {
  const client = new BenchClient(cluster.url);
  const provider = await client.addProvider('mock', {});
  for (let left = messages; left > 0; left -= 1_000_000)
    await client.prepare(provider, Math.min(left, 1_000_000));
  await analyse(cluster.databaseUrl);
  const { id } = await client.prepare(provider, 1_000_000);
  const sending = client.send(id);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    await client.call('GET', `/api/batches/${id}`);
    times.push(performance.now() - began);
    await sleep(50);
  }
  await sending;
  return {
    messages: messages + 1_000_000,
    p95: times.sort((a, b) => a - b)[Math.floor(times.length * 0.95)]!,
  };
}

async function analyse(databaseUrl: string): Promise<void> {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  await database.query('ANALYZE');
  await database.end();
}

function addProvider(kind: SinkKind | 'mock', client: BenchClient, port: number): Promise<string> {
  if (kind === 'http')
    return client.addProvider(
      'webhook',
      { url: `http://127.0.0.1:${port}/` },
      { concurrency: HTTP_CONCURRENCY },
    );
  if (kind === 'smtp')
    return client.addProvider('smtp', { host: '127.0.0.1', port, tls: 'off', connections: SMTP_CONNECTIONS });
  return client.addProvider('mock', {});
}

function cost(cluster: Cluster, before: ReturnType<Cluster['usage']>, messages: number) {
  const after = cluster.usage();
  const per10k = 10_000 / messages;
  return {
    workerCpuPer10k: (after.workerCpu - before.workerCpu) * per10k,
    postgresCpuPer10k: (after.postgresCpu - before.postgresCpu) * per10k,
    peakRssMb: after.peakRssMb,
  };
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
