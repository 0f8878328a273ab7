import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const bin = fileURLToPath(new URL('../bin/batchsender.mjs', import.meta.url));

/** The developer's own settings must not decide how tests run. */
function withoutOurs(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('BATCHSENDER_'));
  return Object.fromEntries(entries) as Record<string, string>;
}

export interface CliRun {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** A stack of its own in a folder of its own, as another checkout would have. */
export class TestStack {
  readonly dir = mkdtempSync(join(tmpdir(), 'batchsender-cli-'));
  readonly name: string;
  private readonly env: Record<string, string>;

  /** @param env added to every command; without Docker unless it says otherwise */
  constructor(name: string, env: Record<string, string> = { BATCHSENDER_RUNTIME: 'embedded' }) {
    this.name = name;
    this.env = env;
  }

  start(args: string[], env: Record<string, string> = {}) {
    return execa(process.execPath, [bin, '--stack', this.name, ...args], {
      env: { ...withoutOurs(), CI: 'true', BATCHSENDER_STATE_DIR: this.dir, ...this.env, ...env },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    });
  }

  async run(args: string[], env: Record<string, string> = {}): Promise<CliRun> {
    const { exitCode, stdout, stderr } = await this.start(args, env);
    return { exitCode: exitCode ?? -1, stdout: String(stdout), stderr: String(stderr) };
  }

  async json<T>(args: string[]): Promise<T> {
    const run = await this.run(['--json', ...args]);
    const last = run.stdout.trim().split('\n').at(-1)!;
    return JSON.parse(last) as T;
  }

  async remove(): Promise<void> {
    await this.run(['down', '--volumes']);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
