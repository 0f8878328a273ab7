import { execFileSync } from 'node:child_process';
import { EXIT } from '../../cli-error.ts';
import { noEngine } from '../../runtimes/docker/engine.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Docker's own message for this says "is it running?", which sends people the wrong way. */
export const dockerPermission: Check = {
  id: 'docker-permission',
  category: 'docker',
  severity: 'critical',
  title: 'permission on the engine’s socket',
  exitCode: EXIT.dockerPermission,
  async detect(facts) {
    const discovery = await facts.discovery();
    if (discovery.found) return ok(`${discovery.found.host} may be used`);
    const error = noEngine(discovery.tried);
    if (error.id !== 'docker_permission') return skipped('no engine to ask');
    if (isInGroup('docker'))
      return failed(
        error.message,
        'You are in the group "docker", but this session began before that: log in again.',
      );
    return failed(
      error.message,
      'sudo usermod -aG docker $USER, then log in again. Never chmod 666 the socket.',
    );
  },
};

/** In the group by /etc/group, whatever this session has. */
function isInGroup(group: string): boolean {
  try {
    const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim();
    return execFileSync('id', ['-nG', user], { encoding: 'utf8' }).split(/\s+/).includes(group);
  } catch {
    return false;
  }
}
