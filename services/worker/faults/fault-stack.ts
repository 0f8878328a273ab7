import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const cli = join(import.meta.dirname, '../../../../cli/bin/batchsender.mjs');

export type Engine = 'postgres' | 'nats' | 'dragonfly' | 'clickhouse';

interface Status {
  stack: { dir: string };
  components: { name: string; pid: number | null }[];
}

/** The engines of a stack of its own, which can be killed and brought back. */
export class FaultStack {
  private readonly name: string;
  private engines: Engine[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Brings up what is installed; returns the environment for workers. */
  up(engines: Engine[] = this.engines): Record<string, string> {
    this.engines = engines;
    this.run('up', '--only', engines.join(','));
    return JSON.parse(this.run('env')) as Record<string, string>;
  }

  kill(engine: Engine, signal: NodeJS.Signals): void {
    const pid = this.status().components.find((one) => one.name === engine)?.pid;
    if (pid) process.kill(pid, signal);
  }

  removeData(engine: Engine): void {
    rmSync(join(this.status().stack.dir, 'data', engine), { recursive: true, force: true });
  }

  has(engine: Engine): boolean {
    return this.status().components.some((one) => one.name === engine && one.pid !== null);
  }

  down(): void {
    this.run('down', '--volumes');
  }

  private status(): Status {
    try {
      return JSON.parse(this.run('status')) as Status;
    } catch (error) {
      // It exits with 63 when something of the stack is not running, which is what faults are about.
      return JSON.parse((error as { stdout: string }).stdout) as Status;
    }
  }

  private run(...args: string[]): string {
    const output = execFileSync(process.execPath, [cli, '--stack', this.name, '--json', ...args], {
      encoding: 'utf8',
      env: { ...process.env, BATCHSENDER_RUNTIME: 'embedded' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return output.trim().split('\n').at(-1)!;
  }
}
