import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError, EXIT } from '../../cli-error.ts';

/** A place where a Docker-compatible engine may answer. */
export interface EngineCandidate {
  /** unix:///…, npipe:////./pipe/…, tcp://host:port, ssh://… */
  host: string;
  /** How we came to it, for people: "DOCKER_HOST", "context colima", "Podman's socket". */
  source: string;
}

/**
 * Where to look, in this order: DOCKER_HOST, DOCKER_CONTEXT, the current context of the docker command, known
 * sockets. dockerode itself knows no contexts.
 *
 * @throws CliError `docker_context_unknown`
 */
export function engineCandidates(env: NodeJS.ProcessEnv, home = homedir()): EngineCandidate[] {
  if (env.DOCKER_HOST) return [{ host: env.DOCKER_HOST, source: 'DOCKER_HOST' }];
  const config = env.DOCKER_CONFIG ?? join(home, '.docker');
  if (env.DOCKER_CONTEXT && env.DOCKER_CONTEXT !== 'default')
    return [contextNamed(env.DOCKER_CONTEXT, config, 'DOCKER_CONTEXT')];
  const current = env.DOCKER_CONTEXT ? null : currentContext(config);
  const fromContext = current ? [contextNamed(current, config, 'the current context')] : [];
  const known = knownSockets(env, home).filter(({ host }) => host !== fromContext[0]?.host);
  return [...fromContext, ...known];
}

function currentContext(config: string): string | null {
  try {
    const { currentContext } = JSON.parse(readFileSync(join(config, 'config.json'), 'utf8')) as {
      currentContext?: string;
    };
    return currentContext && currentContext !== 'default' ? currentContext : null;
  } catch {
    return null;
  }
}

/** Contexts are kept in folders named by the hash of their names. */
function contextNamed(name: string, config: string, chosenBy: string): EngineCandidate {
  const id = createHash('sha256').update(name).digest('hex');
  const file = join(config, 'contexts/meta', id, 'meta.json');
  if (!existsSync(file)) {
    throw new CliError(
      'docker_context_unknown',
      EXIT.dockerConfig,
      `There is no Docker context "${name}" (${chosenBy}).`,
      {
        fix: 'See: docker context ls. Unset DOCKER_CONTEXT to use the default one.',
      },
    );
  }
  const meta = JSON.parse(readFileSync(file, 'utf8')) as { Endpoints?: { docker?: { Host?: string } } };
  return { host: meta.Endpoints?.docker?.Host ?? '', source: `context ${name}` };
}

function knownSockets(env: NodeJS.ProcessEnv, home: string): EngineCandidate[] {
  if (process.platform === 'win32')
    return [
      { host: 'npipe:////./pipe/docker_engine', source: "Docker's pipe" },
      { host: 'npipe:////./pipe/podman-machine-default', source: "Podman's pipe" },
    ];
  const uid = process.getuid?.() ?? 0;
  const runtimeDir = env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`;
  const sockets: [string, string][] = [
    ['/var/run/docker.sock', "Docker's socket"],
    [join(home, '.docker/run/docker.sock'), "Docker Desktop's socket"],
    [join(home, '.docker/desktop/docker.sock'), "Docker Desktop's socket"],
    [join(home, '.orbstack/run/docker.sock'), "OrbStack's socket"],
    [join(home, '.colima/default/docker.sock'), "Colima's socket"],
    [join(home, '.rd/docker.sock'), "Rancher Desktop's socket"],
    [join(runtimeDir, 'docker.sock'), "rootless Docker's socket"],
    [join(runtimeDir, 'podman/podman.sock'), "Podman's socket"],
    ['/run/podman/podman.sock', "Podman's socket"],
  ];
  return sockets.map(([path, source]) => ({ host: `unix://${path}`, source }));
}
