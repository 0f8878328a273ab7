import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Child {
  process: ChildProcess;
  /** The first line of its output that is JSON with the wanted key. */
  first: Record<string, unknown>;
  stop(): Promise<void>;
}

const START_MS = 30_000;

/** Starts a program and waits for its first JSON line that has `key`. */
export async function startChild(
  program: string,
  args: string[],
  env: Record<string, string>,
  key: string,
): Promise<Child> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const first = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${program} ${args[0]} did not start`)), START_MS);
    child.once('exit', (code) => reject(new Error(`${program} ${args[0]} ended with ${code}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const value = parse(line);
      if (!value || !(key in value)) return;
      clearTimeout(timer);
      resolve(value);
    });
  });
  return {
    process: child,
    first,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    },
  };
}

function parse(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** CPU seconds so far (and of children that ended) and peak resident memory; zeros where /proc is missing. */
export function usage(pid: number): { cpuSeconds: number; childCpuSeconds: number; peakRssMb: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticks,
      childCpuSeconds: (Number(fields[13]) + Number(fields[14])) / ticks,
      peakRssMb: Math.round(Number(peak ?? 0) / 1024),
    };
  } catch {
    return { cpuSeconds: 0, childCpuSeconds: 0, peakRssMb: 0 };
  }
}
