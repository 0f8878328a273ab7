import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { Cluster, type Size } from './cluster.ts';
import { measureApi, measureFlat, measureKind, measureMillion, type Row } from './measures.ts';
import { measureRendering, type Rendering } from './rendering.ts';
import type { SinkKind } from './sink.ts';

/**
 * Messages per second of the whole pipeline beside a bare loop to the same sink in the same run; on a shared
 * machine only the ratio says something. Uses a stack of its own, "bench", and takes it down again.
 */
const { values: flags } = parseArgs({
  options: {
    kinds: { type: 'string', default: 'http,smtp,mock' },
    sizes: { type: 'string', default: 'lite,full' },
    senders: { type: 'string', default: '1' },
    count: { type: 'string', default: '50000' },
    'smtp-count': { type: 'string', default: '20000' },
    repeat: { type: 'string', default: '3' },
    million: { type: 'boolean', default: false },
    flat: { type: 'string' },
    api: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

interface Report {
  date: string;
  machine: string;
  rows: Row[];
  rendering: Rendering;
  million?: Awaited<ReturnType<typeof measureMillion>>;
  flat?: Awaited<ReturnType<typeof measureFlat>>;
  api?: Awaited<ReturnType<typeof measureApi>>;
}

async function onCluster<T>(size: Size, senders: number, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await Cluster.start(size, senders);
  try {
    return await work(cluster);
  } finally {
    await cluster.stop();
  }
}

async function main(): Promise<Report> {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`;
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    rows: [],
    rendering: measureRendering(),
  };
  const kinds = flags.kinds.split(',').filter(Boolean) as (SinkKind | 'mock')[];
  for (const size of kinds.length ? (flags.sizes.split(',') as Size[]) : []) {
    for (const senders of flags.senders.split(',').map(Number)) {
      await onCluster(size, senders, async (cluster) => {
        for (const kind of kinds) {
          const count = Number(kind === 'smtp' ? flags['smtp-count'] : flags.count);
          report.rows.push(
            await measureKind(
              kind,
              cluster,
              `${size}, ${senders} sender${senders > 1 ? 's' : ''}`,
              count,
              Number(flags.repeat),
            ),
          );
        }
      });
    }
  }
  if (flags.million) report.million = await onCluster('lite', 1, measureMillion);
  if (flags.flat)
    report.flat = await onCluster('lite', 1, (cluster) => measureFlat(cluster, Number(flags.flat)));
  if (flags.api) report.api = await onCluster('lite', 1, (cluster) => measureApi(cluster, Number(flags.api)));
  return report;
}

function text(report: Report): string {
  const number = (value: number | null, digits = 0) => (value === null ? '-' : value.toFixed(digits));
  const rows = [...report.rows, ...(report.million ? [report.million] : [])].map((row) => [
    row.what,
    String(row.count),
    number(row.perSecond),
    number(row.bare),
    number(row.ratio, 2),
    number(row.workerCpuPer10k, 2),
    number(row.postgresCpuPer10k, 2),
    String(row.peakRssMb),
  ]);
  const all = [
    ['what', 'messages', 'msgs/s', 'bare/s', 'ratio', 'worker CPU s/10k', 'postgres CPU s/10k', 'peak MB'],
    ...rows,
  ];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((line) => line[i]!.length)));
  const lines = all.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  const { plain, engine, tracked } = report.rendering;
  lines.push(
    `rendering 5 KB with 10 variables, one core: ${number(plain)}/s, with filters ${number(engine)}/s, with tracked links ${number(tracked)}/s`,
  );
  if (report.million) lines.push(`upload of a million rows: ${number(report.million.rowsPerSecond)} rows/s`);
  if (report.flat)
    lines.push(
      `CPU per message: ${number(report.flat.small, 1)} µs at 10,000, ${number(report.flat.large, 1)} µs at ${flags.flat}, ratio ${number(report.flat.ratio, 2)}`,
    );
  if (report.api)
    lines.push(
      `GET batch, ${report.api.messages} messages there, sending at full speed: p95 ${number(report.api.p95, 1)} ms`,
    );
  return [`${report.date}, ${report.machine}`, ...lines].join('\n');
}

const report = await main();
process.stdout.write(`${flags.json ? JSON.stringify(report) : text(report)}\n`);
