import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Engine, FaultStack } from './fault-stack.ts';
import { type FaultResult, Run } from './run.ts';
import { SCENARIOS } from './scenarios.ts';

/** Breaks things while a batch is under way and counts at the receiving end. Exit code 1 when a promise was broken. */
const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '5000' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const ENGINES: Engine[] = ['postgres', 'nats', 'dragonfly', 'clickhouse'];
const stack = new FaultStack('faults');

async function main(): Promise<FaultResult[]> {
  const settings = stack.up(ENGINES);
  const env = { ...settings, RETRY_BASE_MS: '500', LOG_LEVEL: 'info' };
  const program = join(import.meta.dirname, '../main.js');
  for (const job of ['migrate', 'seed'])
    execFileSync(process.execPath, [program, job], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const results: FaultResult[] = [];
  for (const scenario of SCENARIOS.filter((one) => !flags.only || one.name.includes(flags.only))) {
    const missing = scenario.engines?.find((engine) => !stack.has(engine));
    if (missing) {
      process.stderr.write(`skipped: ${scenario.name} (${missing} is not installed)\n`);
      continue;
    }
    const result = await new Run(scenario, Number(flags.count), stack, env).play();
    results.push(result);
    process.stderr.write(
      `${result.broken.length ? '✘' : '✔'} ${scenario.name}${result.broken.length ? `: ${[...new Set(result.broken)].join('; ')}` : ''}\n`,
    );
  }
  return results;
}

function table(results: FaultResult[]): string {
  const rows = results.map((one) => [
    one.fault,
    String(one.messages),
    String(one.lost),
    String(one.duplicated),
    String(one.replayed),
    String(one.uncertain),
    one.recoverySeconds === null ? '-' : one.recoverySeconds.toFixed(1),
    one.broken.length ? 'BROKEN' : 'kept',
  ]);
  const all = [
    ['fault', 'messages', 'lost', 'duplicated', 'replayed', 'uncertain', 'recovery s', 'promise'],
    ...rows,
  ];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
    )
    .join('\n');
}

try {
  const results = await main();
  process.stdout.write(
    flags.json ? `${JSON.stringify({ date: new Date().toISOString(), results })}\n` : `${table(results)}\n`,
  );
  process.exitCode = results.every((one) => one.broken.length === 0) ? 0 : 1;
} finally {
  stack.down();
}
