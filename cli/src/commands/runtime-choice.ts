import { existsSync } from 'node:fs';
import { CliError, EXIT } from '../cli-error.ts';
import { postgres } from '../components/postgres.ts';
import { discoverEngine, type Engine, noEngine } from '../runtimes/docker/engine.ts';
import type { RuntimeName } from '../stack/runtime.ts';
import type { Selection, Stack } from '../stack/stack.ts';

export interface ChosenRuntime {
  name: RuntimeName;
  engine: Engine | null;
  /** For people: what was taken, and why. */
  detail: string;
  /** Chosen because an engine answered; nobody asked for it, and nothing depends on it yet. */
  automatic: boolean;
}

/**
 * Docker when it was asked for, when the stack's data is there, or when nothing is decided and an engine answers.
 * @throws CliError when Docker is needed and does not answer
 */
export async function chooseRuntime(stack: Stack, wished: Selection): Promise<ChosenRuntime> {
  const decided = wished.runtime ?? (hasEmbeddedData(stack) ? 'embedded' : null);
  if (decided === 'embedded') return embedded('embedded runtime: engines are processes on this machine');
  const discovery = await discoverEngine(process.env);
  if (discovery.found?.remote) {
    if (decided === 'docker') throw remoteEngine(discovery.found);
    return embedded(`embedded runtime: the engine at ${discovery.found.host} is on another machine`);
  }
  if (discovery.found) return docker(discovery.found, decided === null);
  const error = noEngine(discovery.tried);
  if (decided === 'docker') throw error;
  return embedded(
    error.id === 'docker_not_found'
      ? 'embedded runtime: no Docker-compatible engine was found'
      : `embedded runtime: ${error.message} ${error.fix}`,
  );
}

function docker(engine: Engine, automatic: boolean): ChosenRuntime {
  return {
    name: 'docker',
    engine,
    detail: `docker runtime: ${engine.product} (API ${engine.apiVersion}) by ${engine.source}`,
    automatic,
  };
}

function embedded(detail: string): ChosenRuntime {
  return { name: 'embedded', engine: null, detail, automatic: false };
}

function hasEmbeddedData(stack: Stack): boolean {
  return [stack.data('postgres'), ...(postgres.outsideData?.(stack) ?? [])].some((folder) =>
    existsSync(folder),
  );
}

function remoteEngine(engine: Engine): CliError {
  return new CliError(
    'docker_remote',
    EXIT.dockerUnsupported,
    `The engine at ${engine.host} (${engine.source}) is on another machine; the stack is published on its loopback, out of reach from here.`,
    { fix: 'Run batchsender there, or use a local engine, or --runtime embedded.' },
  );
}
