import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Child, startChild, usage } from './child.ts';
import { freePort } from './free-port.ts';

const here = import.meta.dirname;
const cli = join(here, '../../../../cli/bin/batchsender.mjs');
const program = join(here, '../main.js');

/** As `batchsender up` and the image start it. */
const NODE_FLAGS = ['--max-semi-space-size=8', '--max-old-space-size=1024'];

/** `lite` is PostgreSQL alone; `full` adds NATS, Dragonfly and ClickHouse. */
export type Size = 'lite' | 'full';
const ENGINES: Record<Size, string> = { lite: 'postgres', full: 'postgres,nats,dragonfly,clickhouse' };

const stack = (...args: string[]) =>
  execFileSync(process.execPath, [cli, '--stack', 'bench', '--json', ...args], {
    encoding: 'utf8',
    env: { ...process.env, BATCHSENDER_RUNTIME: 'embedded' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
    .trim()
    .split('\n')
    .at(-1)!;

/** A worker and more senders on engines of their own, taken down again with their data. */
export class Cluster {
  readonly url: string;
  readonly databaseUrl: string;
  private readonly processes: Child[];
  private readonly postgresPid: number;

  private constructor(processes: Child[], databaseUrl: string, postgresPid: number) {
    this.processes = processes;
    this.url = processes[0]!.first.url as string;
    this.databaseUrl = databaseUrl;
    this.postgresPid = postgresPid;
  }

  static async start(size: Size, senders: number): Promise<Cluster> {
    stack('up', '--only', ENGINES[size]);
    const env: Record<string, string> = {
      ...(JSON.parse(stack('env')) as Record<string, string>),
      LOG_LEVEL: 'info',
    };
    for (const job of ['migrate', 'seed'])
      execFileSync(process.execPath, [program, job], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    const processes = [await startWorker(env, 'api,planner,sender,tracker')];
    for (let i = 1; i < senders; i++) processes.push(await startWorker(env, 'sender'));
    const { components } = JSON.parse(stack('status')) as { components: { name: string; pid: number }[] };
    return new Cluster(processes, env.DATABASE_URL!, components.find((one) => one.name === 'postgres')!.pid);
  }

  /** CPU seconds so far of all workers and of PostgreSQL, and the largest worker's peak memory. */
  usage(): { workerCpu: number; postgresCpu: number; peakRssMb: number } {
    const workers = this.processes.map((one) => usage(one.process.pid!));
    return {
      workerCpu: workers.reduce((sum, one) => sum + one.cpuSeconds, 0),
      postgresCpu: groupCpu(this.postgresPid),
      peakRssMb: Math.max(...workers.map((one) => one.peakRssMb)),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.stop()));
    stack('down', '--volumes');
  }
}

async function startWorker(env: Record<string, string>, roles: string): Promise<Child> {
  return startChild(
    process.execPath,
    [...NODE_FLAGS, program, 'serve'],
    { ...env, ROLES: roles, PORT: String(await freePort()) },
    'url',
  );
}

/** Of the postmaster and its children, ended ones included. */
function groupCpu(pid: number): number {
  try {
    const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
      .split('\n')
      .map(Number)
      .filter(Boolean);
    return (
      [pid, ...children].reduce((sum, one) => sum + usage(one).cpuSeconds, 0) + usage(pid).childCpuSeconds
    );
  } catch {
    return 0;
  }
}
