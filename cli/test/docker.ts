import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../src/components/programs.ts';
import { has } from './requirement.ts';

const build = fileURLToPath(new URL('../../infra/compose/test-images/build.sh', import.meta.url));
export const PREFIX = 'batchsender-test';
const IMAGES = ['postgres', 'nats', 'clickhouse', 'dragonfly', 'prometheus'];

export function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

function engineAnswers(): boolean {
  try {
    docker('version');
    return ['debootstrap', 'docker-compose'].every((program) => findProgram([program], process.env));
  } catch {
    return false;
  }
}

/**
 * Environment of commands that use the engine with images built here, since none can be pulled in CI; null, after a
 * line that says what to install, when there is no engine. There is no image for Grafana.
 */
export function dockerEnv(): Record<string, string> | null {
  if (!has('docker', engineAnswers)) return null;
  // Done in seconds when they are there.
  execFileSync(build, [PREFIX, '--node'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    BATCHSENDER_RUNTIME: 'docker',
    BATCHSENDER_NODE_IMAGE: `${PREFIX}/node`,
    ...Object.fromEntries(
      IMAGES.map((name) => [`BATCHSENDER_IMAGE_${name.toUpperCase()}`, `${PREFIX}/${name}`]),
    ),
  };
}

/** Names of a stack's containers, in any state. */
export function containersOf(stackName: string): string[] {
  const filter = `label=io.batchsender.stack-name=${stackName}`;
  return docker('ps', '-a', '--filter', filter, '--format', '{{.Names}}').split('\n').filter(Boolean);
}
