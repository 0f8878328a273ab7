import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError, EXIT } from '../cli-error.ts';
import type { RuntimeName, ServicePlace } from './runtime.ts';

/** A running process as it is trusted: a number alone may be somebody else's by now. */
export interface ProcessRecord {
  pid: number;
  /** Start time as the system tells it; null when it could not be read. */
  startTime: string | null;
  bootId: string | null;
  startedAt: string;
  /** Hash of the command and its environment: a change means a restart. */
  spec: string;
  log: string;
}

/** Which components take part, and where. */
export interface Selection {
  only?: string[];
  without?: string[];
  /** URLs of engines that run elsewhere. */
  external: Record<string, string>;
  host: string;
  /** Sender processes in all; the worker is the first. */
  senders: number;
  /** Null until the first `up` has decided. */
  runtime: RuntimeName | null;
  services: ServicePlace;
  /** Images by component, where they are not those of the Compose file. */
  images: Record<string, string>;
  /** Mirror of Docker Hub, for example registry.example.com/hub; null for none. */
  imagePrefix: string | null;
}

export interface StackState {
  version: 1;
  id: string;
  name: string;
  checkout: string;
  createdAt: string;
  /** Ports by `component` or `component.name`, stable for this checkout. */
  ports: Record<string, number>;
  /** Written before a process is started (pid 0) and after. */
  processes: Record<string, ProcessRecord>;
  /** What the last `up` was told to run, so that every later command means the same stack. */
  selection: Selection;
  /** Fingerprint of the migrations that have been applied, and whether the seed ran. */
  migrated: string | null;
  seeded: boolean;
  /** What the database's data is known by; other data means that nothing was migrated or seeded. */
  data: string | null;
  /** Address of this host on the containers' network, with the docker runtime; null without. */
  metricsHost: string | null;
  /** Whether anything of this stack was ever in an engine, so that `down` looks there. */
  usedDocker: boolean;
  /** Subnet of the containers' network, where the engine's own choice is in the way of something; null for that one. */
  subnet: string | null;
  /** Hash of the password that a volume of PostgreSQL may be given; see --reset-password. */
  resetPassword: string | null;
}

export interface StackSecrets {
  postgresPassword: string;
  clickhousePassword: string;
  secretKey: string;
}

const FIRST_SELECTION: Selection = {
  external: {},
  host: '127.0.0.1',
  senders: 1,
  runtime: null,
  services: 'host',
  images: {},
  imagePrefix: null,
};

const MIN_FREE_BYTES = 500 * 1024 * 1024;

const STACK_NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** One stack of one checkout: its folder, its state, its secrets. Two checkouts never share any of it. */
export class Stack {
  readonly name: string;
  readonly id: string;
  readonly dir: string;
  state: StackState;
  secrets: StackSecrets;

  private constructor(name: string, dir: string, state: StackState, secrets: StackSecrets) {
    this.name = name;
    this.dir = dir;
    this.id = state.id;
    this.state = state;
    this.secrets = secrets;
  }

  /** @throws CliError `stack_name_invalid`, `state_not_writable`, `state_damaged` */
  static open(name = 'default'): Stack {
    if (!STACK_NAME.test(name)) {
      throw new CliError('stack_name_invalid', EXIT.usage, `"${name}" cannot be the name of a stack.`, {
        fix: 'Use lower-case letters, digits and "-", at most 31.',
      });
    }
    const dir = join(process.env.BATCHSENDER_STATE_DIR ?? join(checkoutRoot(), '.batchsender'), name);
    const id = createHash('sha256')
      .update(`${checkoutRoot()}\0${dirname(dir)}\0${name}`)
      .digest('hex')
      .slice(0, 12);
    const fresh: StackState = {
      version: 1,
      id,
      name,
      checkout: checkoutRoot(),
      createdAt: new Date().toISOString(),
      ports: {},
      processes: {},
      selection: FIRST_SELECTION,
      migrated: null,
      seeded: false,
      data: null,
      metricsHost: null,
      usedDocker: false,
      subnet: null,
      resetPassword: null,
    };
    const state = readJson<StackState>(join(dir, 'state.json')) ?? fresh;
    const secrets = readJson<StackSecrets>(join(dir, 'secrets.json')) ?? {
      postgresPassword: randomBytes(16).toString('hex'),
      clickhousePassword: randomBytes(16).toString('hex'),
      secretKey: randomBytes(32).toString('hex'),
    };
    const selection = { ...FIRST_SELECTION, ...state.selection };
    return new Stack(name, dir, { ...fresh, ...state, selection, id }, secrets);
  }

  /** Whether anything was ever started here. */
  get exists(): boolean {
    return existsSync(join(this.dir, 'state.json'));
  }

  get logs(): string {
    return join(this.dir, 'logs');
  }

  data(component: string): string {
    return join(this.dir, 'data', component);
  }

  logFile(component: string): string {
    return join(this.logs, `${component}.log`);
  }

  /** Makes the folder and proves that it can be written. @throws CliError `state_not_writable`, `disk_full` */
  prepare(): void {
    try {
      mkdirSync(join(this.dir, 'data'), { recursive: true });
      mkdirSync(this.logs, { recursive: true });
      createOnce(join(this.dir, 'state.json'), JSON.stringify(this.state, null, 2), 0o644);
      // Two first commands at once: one of them makes the secrets, both use them.
      createOnce(join(this.dir, 'secrets.json'), JSON.stringify(this.secrets), 0o600);
      this.reload();
    } catch (error) {
      throw writeFailure(error as NodeJS.ErrnoException, this.dir);
    }
    const { bavail, bsize } = statfsSync(this.dir);
    if (bavail * bsize < MIN_FREE_BYTES) {
      throw new CliError(
        'disk_full',
        EXIT.diskFull,
        `Only ${Math.floor((bavail * bsize) / 1024 / 1024)} MiB are free where ${this.dir} is; 500 MiB are needed.`,
        {
          fix: 'Free some space, or put the state elsewhere with BATCHSENDER_STATE_DIR.',
        },
      );
    }
  }

  /** Takes over what another command wrote meanwhile; called again with the lock held. */
  reload(): void {
    this.state = { ...this.state, ...readJson<StackState>(join(this.dir, 'state.json')), id: this.id };
    this.secrets = readJson<StackSecrets>(join(this.dir, 'secrets.json')) ?? this.secrets;
  }

  /** Called by whoever finds the database's data. */
  noteData(identity: string): void {
    if (this.state.data === identity) return;
    this.state.data = identity;
    this.state.migrated = null;
    this.state.seeded = false;
    this.save();
  }

  save(): void {
    writeAtomically(join(this.dir, 'state.json'), JSON.stringify(this.state, null, 2), 0o644);
  }

  /** Removes data, logs and state. */
  purge(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The repository: the folder above this package, whose depth differs between src/ and dist/. */
export function checkoutRoot(): string {
  let folder = realpathSync(import.meta.dirname);
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return dirname(folder);
}

function readJson<T>(file: string): T | null {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EACCES') throw writeFailure(error as NodeJS.ErrnoException, file);
    throw new CliError(
      'state_damaged',
      EXIT.dataMismatch,
      `${file} is not readable: ${(error as Error).message}.`,
      {
        fix: 'Remove it; running processes are then found by "batchsender down".',
      },
    );
  }
}

function writeAtomically(file: string, text: string, mode: number): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode });
  renameSync(temporary, file);
}

/** Creates the file with all its text, or leaves the one that is there; false for the latter. */
export function createOnce(file: string, text: string, mode: number): boolean {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode });
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // File systems without hard links (exFAT, some network shares): exclusive, though not in one step.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    writeFileSync(file, text, { mode, flag: 'wx' });
    return true;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** What a failed write means to the user. */
export function writeFailure(error: NodeJS.ErrnoException, path: string): CliError {
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
    return new CliError('disk_full', EXIT.diskFull, `The disk is full: ${path} could not be written.`, {
      fix: 'Free some space, or set BATCHSENDER_STATE_DIR.',
      cause: error,
    });
  }
  return new CliError(
    'state_not_writable',
    EXIT.stateNotWritable,
    `${path} cannot be written: ${error.message}.`,
    {
      fix: `Make it writable for ${process.getuid?.() === 0 ? 'root (is the file system read-only?)' : 'your user'}, or set BATCHSENDER_STATE_DIR to a folder that is.`,
      cause: error,
    },
  );
}
