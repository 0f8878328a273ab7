import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { CliError, EXIT } from '../../../cli-error.ts';
import { checkoutRoot } from '../../../stack/stack.ts';
import { interpolateAll } from './interpolate.ts';
import { bytesOf, secondsOf } from './units.ts';

export const COMPOSE_FILE = join(checkoutRoot(), 'infra/compose/compose.yaml');

export interface PublishedPort {
  host: string;
  published: number;
  target: number;
}

/** One service, with everything that the CLI hands to the engine. */
export interface ComposeService {
  name: string;
  image: string;
  build: { context: string; dockerfile: string; args: Record<string, string> } | null;
  command: string[] | null;
  environment: Record<string, string>;
  ports: PublishedPort[];
  /** Named volumes. */
  volumes: { source: string; target: string }[];
  /** Files that are put into the container, by target; the source is a file on this machine. */
  configs: { file: string; target: string }[];
  healthcheck: { test: string[]; intervalSeconds: number; timeoutSeconds: number; retries: number } | null;
  ulimits: { name: string; soft: number; hard: number }[];
  extraHosts: string[];
  init: boolean;
  stopSignal: string | null;
  stopGraceSeconds: number;
  memoryBytes: number | null;
  sharedMemoryBytes: number | null;
  restart: string;
  logging: { driver: string; options: Record<string, string> };
  /** Download, about; decides which image is pulled first. */
  downloadMb: number;
}

/** What is understood, level by level. Anything else is an error: nothing is quietly left out. */
const KEYS = {
  file: ['services', 'configs', 'volumes'],
  service: [
    ...['image', 'build', 'command', 'environment', 'ports', 'volumes', 'configs', 'healthcheck', 'ulimits'],
    ...['extra_hosts', 'init', 'stop_signal', 'stop_grace_period', 'mem_limit', 'shm_size', 'restart'],
    ...['logging', 'depends_on', 'profiles'],
  ],
  build: ['context', 'dockerfile', 'args'],
  healthcheck: ['test', 'interval', 'timeout', 'retries'],
  logging: ['driver', 'options'],
  config: ['file'],
  configUse: ['source', 'target'],
  ulimit: ['soft', 'hard'],
};

type Raw = Record<string, unknown>;

/**
 * Reads the file with the variables given; nothing of the environment gets in unasked.
 * @throws CliError `compose_key_unknown`, `compose_value_invalid`, `compose_variable_missing`
 */
export function readCompose(
  variables: Record<string, string | undefined>,
  file = COMPOSE_FILE,
): Map<string, ComposeService> {
  const document = interpolateAll(parsed(file), variables);
  knownKeys(document, KEYS.file, 'the file');
  const configs = (document.configs ?? {}) as Record<string, Raw>;
  for (const [name, config] of Object.entries(configs)) knownKeys(config, KEYS.config, `configs.${name}`);
  const files = Object.fromEntries(
    Object.entries(configs).map(([name, config]) => [name, resolve(dirname(file), String(config.file))]),
  );
  return new Map(
    Object.entries(document.services as Record<string, Raw>).map(([name, raw]) => [
      name,
      service(name, raw, files, dirname(file)),
    ]),
  );
}

/** Several commands ask for every service more than once; the text is parsed once while it stays the same. */
const documents = new Map<string, { text: string; document: Raw }>();

function parsed(file: string): Raw {
  const text = readFileSync(file, 'utf8');
  const known = documents.get(file);
  if (known?.text === text) return known.document;
  const document = parse(text, { merge: true }) as Raw;
  documents.set(file, { text, document });
  return document;
}

function service(name: string, raw: Raw, files: Record<string, string>, folder: string): ComposeService {
  const at = `services.${name}`;
  knownKeys(raw, KEYS.service, at);
  return {
    name,
    image: String(raw.image),
    build: buildOf(raw.build as Raw | undefined, at, folder),
    command: raw.command === undefined ? null : list(raw.command, `${at}.command`),
    environment: Object.fromEntries(
      Object.entries((raw.environment ?? {}) as Raw).map(([key, value]) => [key, String(value)]),
    ),
    ports: list(raw.ports, `${at}.ports`).map((text) => port(text, `${at}.ports`)),
    volumes: list(raw.volumes, `${at}.volumes`).map((text) => volume(text, `${at}.volumes`)),
    configs: ((raw.configs ?? []) as Raw[]).map((use) => configUse(use, files, `${at}.configs`)),
    healthcheck: healthcheckOf(raw.healthcheck as Raw | undefined, `${at}.healthcheck`),
    ulimits: Object.entries((raw.ulimits ?? {}) as Record<string, Raw>).map(([limit, values]) => {
      knownKeys(values, KEYS.ulimit, `${at}.ulimits.${limit}`);
      return { name: limit, soft: Number(values.soft), hard: Number(values.hard) };
    }),
    extraHosts: list(raw.extra_hosts, `${at}.extra_hosts`),
    init: raw.init === true,
    stopSignal: raw.stop_signal === undefined ? null : String(raw.stop_signal),
    stopGraceSeconds: seconds(raw.stop_grace_period ?? '10s', `${at}.stop_grace_period`),
    memoryBytes: raw.mem_limit === undefined ? null : bytes(raw.mem_limit, `${at}.mem_limit`),
    sharedMemoryBytes: raw.shm_size === undefined ? null : bytes(raw.shm_size, `${at}.shm_size`),
    restart: String(raw.restart ?? 'no'),
    logging: loggingOf((raw.logging ?? {}) as Raw, `${at}.logging`),
    downloadMb: Number(raw['x-download-mb'] ?? 0),
  };
}

function buildOf(raw: Raw | undefined, at: string, folder: string): ComposeService['build'] {
  if (!raw) return null;
  knownKeys(raw, KEYS.build, `${at}.build`);
  return {
    context: resolve(folder, String(raw.context)),
    dockerfile: String(raw.dockerfile),
    args: Object.fromEntries(
      Object.entries((raw.args ?? {}) as Raw).map(([key, value]) => [key, String(value)]),
    ),
  };
}

function healthcheckOf(raw: Raw | undefined, at: string): ComposeService['healthcheck'] {
  if (!raw) return null;
  knownKeys(raw, KEYS.healthcheck, at);
  return {
    test: list(raw.test, `${at}.test`),
    intervalSeconds: seconds(raw.interval ?? '30s', `${at}.interval`),
    timeoutSeconds: seconds(raw.timeout ?? '30s', `${at}.timeout`),
    retries: Number(raw.retries ?? 3),
  };
}

function loggingOf(raw: Raw, at: string): ComposeService['logging'] {
  knownKeys(raw, KEYS.logging, at);
  return {
    driver: String(raw.driver ?? 'json-file'),
    options: (raw.options ?? {}) as Record<string, string>,
  };
}

function configUse(raw: Raw, files: Record<string, string>, at: string): { file: string; target: string } {
  knownKeys(raw, KEYS.configUse, at);
  const file = files[String(raw.source)];
  if (!file) throw invalid(at, `there is no config "${raw.source}"`);
  return { file, target: String(raw.target) };
}

/** HOST:PUBLISHED:TARGET; the host is always named, so that nothing is published on every address by mistake. */
function port(text: string, at: string): PublishedPort {
  const found = /^([\d.]+|\[[\da-f:]+\]):(\d+):(\d+)$/i.exec(text);
  if (!found) throw invalid(at, `"${text}" is not ADDRESS:PORT:PORT`);
  return { host: found[1]!, published: Number(found[2]), target: Number(found[3]) };
}

function volume(text: string, at: string): { source: string; target: string } {
  const found = /^([a-z][\w-]*):(\/[^:]+)$/.exec(text);
  if (!found) throw invalid(at, `"${text}" is not NAME:/PATH; files of this machine are configs, not mounts`);
  return { source: found[1]!, target: found[2]! };
}

function list(value: unknown, at: string): string[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.map(String);
  throw invalid(at, 'it must be a list');
}

function bytes(value: unknown, at: string): number {
  const found = bytesOf(value as string);
  if (found === null) throw invalid(at, `"${value}" is not a size`);
  return found;
}

function seconds(value: unknown, at: string): number {
  const found = secondsOf(String(value));
  if (found === null) throw invalid(at, `"${value}" is not a duration`);
  return found;
}

function knownKeys(raw: Raw, known: string[], at: string): void {
  const unknown = Object.keys(raw).find((key) => !known.includes(key) && !key.startsWith('x-'));
  if (unknown === undefined) return;
  throw new CliError(
    'compose_key_unknown',
    EXIT.config,
    `compose.yaml: ${at} has the key "${unknown}", which is not applied.`,
    {
      fix: `Remove it, or teach it to the CLI. Known there: ${known.join(', ')}.`,
    },
  );
}

function invalid(at: string, why: string): CliError {
  return new CliError('compose_value_invalid', EXIT.config, `compose.yaml: ${at}: ${why}.`);
}
