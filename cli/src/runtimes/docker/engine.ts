import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';
import { type EngineCandidate, engineCandidates } from './candidates.ts';

/** Engine 20.10; what is used of the API is there from then on. */
const LOWEST_API = '1.41';
/** The newest the code was written against; a newer engine is asked for this one. */
const HIGHEST_API = '1.52';
const ANSWER_WITHIN_MS = 1000;

/** An engine that answered. */
export interface Engine {
  docker: Docker;
  host: string;
  source: string;
  /** "Docker 20.10.24", "Podman Engine 5.2". */
  product: string;
  apiVersion: string;
  /** On another machine: published ports are there, not on our loopback. */
  remote: boolean;
}

export interface FailedCandidate {
  candidate: EngineCandidate;
  code: string;
  message: string;
}

export type Discovery = { found: Engine } | { found: null; tried: FailedCandidate[] };

/**
 * The first engine that answers; a socket file that is there proves nothing.
 * @throws CliError `docker_context_unknown`, `docker_too_old`
 */
export async function discoverEngine(env: NodeJS.ProcessEnv): Promise<Discovery> {
  const tried: FailedCandidate[] = [];
  for (const candidate of engineCandidates(env)) {
    if (isMissingSocket(candidate.host)) {
      tried.push({ candidate, code: 'ENOENT', message: 'no such socket' });
      continue;
    }
    try {
      return { found: await connect(candidate, env) };
    } catch (error) {
      if (error instanceof CliError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      tried.push({ candidate, code: code ?? 'unknown', message });
    }
  }
  return { found: null, tried };
}

/** Known without loading the client, which most commands never need. */
function isMissingSocket(host: string): boolean {
  return host.startsWith('unix://') && !existsSync(host.slice('unix://'.length));
}

async function connect(candidate: EngineCandidate, env: NodeJS.ProcessEnv): Promise<Engine> {
  const location = locationOf(candidate.host, env);
  const { default: Docker } = await import('dockerode');
  const unversioned = new Docker({ ...location, timeout: ANSWER_WITHIN_MS });
  const version = await unversioned.version();
  const apiVersion = negotiate(version.ApiVersion, version.MinAPIVersion, version.Version);
  return {
    docker: new Docker({ ...location, version: `v${apiVersion}` }),
    host: candidate.host,
    source: candidate.source,
    product: `${version.Components?.[0]?.Name === 'Podman Engine' ? 'Podman' : 'Docker'} ${version.Version}`,
    apiVersion,
    remote:
      /^(tcp|ssh|https?):/.test(candidate.host) && !/\/\/(127\.|localhost|\[::1\])/.test(candidate.host),
  };
}

/** The newest version both sides know. @throws CliError `docker_too_old` */
export function negotiate(offered: string, lowestOffered: string | undefined, product: string): string {
  if (compare(offered, LOWEST_API) < 0) {
    throw new CliError(
      'docker_too_old',
      EXIT.dockerUnsupported,
      `Docker ${product} speaks API ${offered}; ${LOWEST_API} is the least.`,
      {
        fix: 'Update Docker to 20.10 or newer, or use --runtime embedded.',
      },
    );
  }
  const chosen = compare(offered, HIGHEST_API) > 0 ? HIGHEST_API : offered;
  return lowestOffered && compare(chosen, lowestOffered) < 0 ? lowestOffered : chosen;
}

function compare(a: string, b: string): number {
  const [a1 = 0, a2 = 0] = a.split('.').map(Number);
  const [b1 = 0, b2 = 0] = b.split('.').map(Number);
  return a1 - b1 || a2 - b2;
}

function locationOf(host: string, env: NodeJS.ProcessEnv): Docker.DockerOptions {
  const pipe = /^(?:unix|npipe):\/\/(.+)$/.exec(host)?.[1];
  if (pipe) return { socketPath: pipe };
  const url = new URL(host.replace(/^tcp:/, env.DOCKER_TLS_VERIFY ? 'https:' : 'http:'));
  if (url.protocol === 'ssh:')
    return {
      protocol: 'ssh',
      host: url.hostname,
      port: url.port || 22,
      username: url.username,
      sshOptions: { agent: env.SSH_AUTH_SOCK },
    } as Docker.DockerOptions;
  const base = {
    host: url.hostname,
    port: url.port,
    protocol: url.protocol.slice(0, -1) as 'http' | 'https',
  };
  if (url.protocol !== 'https:') return base;
  const certificates = env.DOCKER_CERT_PATH ?? join(env.HOME ?? '', '.docker');
  const read = (name: string) => readFileSync(join(certificates, name));
  return { ...base, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

/** Why no engine answered, as one of three different faults with three different remedies. */
export function noEngine(tried: FailedCandidate[]): CliError {
  const list = tried.map(({ candidate, message }) => `${candidate.source}: ${message}`);
  const refused = tried.find(({ code }) => code === 'EACCES' || code === 'EPERM');
  if (refused) {
    return new CliError(
      'docker_permission',
      EXIT.dockerPermission,
      `Docker runs, but you may not use ${place(refused)}.`,
      {
        fix: 'Join its group and log in again: sudo usermod -aG docker $USER. Until then: --runtime embedded.',
        evidence: list,
      },
    );
  }
  const silent = silentCandidate(tried);
  if (silent) {
    return new CliError(
      'docker_not_running',
      EXIT.dockerNotRunning,
      `${place(silent)} is there, but no engine answers on it.`,
      {
        fix: `Start it (${startHint(silent.candidate)}), or use --runtime embedded.`,
        evidence: list,
      },
    );
  }
  return new CliError('docker_not_found', EXIT.dockerNotFound, 'No Docker-compatible engine was found.', {
    fix: 'Install Docker, OrbStack, Colima or Podman, or use --runtime embedded.',
    evidence: list,
  });
}

function place({ candidate }: FailedCandidate): string {
  return `${candidate.host.replace(/^unix:\/\//, '')} (${candidate.source})`;
}

function startHint(candidate: EngineCandidate): string {
  const command = startCommand(candidate);
  if (command) return command.join(' ');
  if (/podman/.test(candidate.host)) return 'podman machine start, or systemctl --user start podman.socket';
  if (/\.rd\//.test(candidate.host)) return 'open Rancher Desktop';
  if (/Desktop/.test(candidate.source) || process.platform !== 'linux') return 'open Docker Desktop';
  return 'sudo systemctl start docker';
}

/** What starts the engine without asking for a password; null when nothing does, or nobody knows. */
export function startCommand({ host, source }: EngineCandidate): string[] | null {
  if (/colima/.test(host)) return ['colima', 'start'];
  if (/orbstack/.test(host)) return ['orb', 'start'];
  if (process.platform === 'darwin') {
    if (/podman/.test(host)) return ['podman', 'machine', 'start'];
    return /Docker/.test(source) ? ['open', '-a', 'Docker'] : null;
  }
  if (/^unix:\/\/\/run\/user\/.*podman/.test(host)) return ['systemctl', '--user', 'start', 'podman.socket'];
  if (/Desktop/.test(source)) return ['systemctl', '--user', 'start', 'docker-desktop'];
  const ours = process.getuid?.() === 0 && host === 'unix:///var/run/docker.sock';
  return ours ? ['systemctl', 'start', 'docker'] : null;
}

/** The candidate that is there and silent: the one to start. */
export function silentCandidate(tried: FailedCandidate[]): FailedCandidate | undefined {
  return tried.find(({ code }) => code !== 'ENOENT');
}
