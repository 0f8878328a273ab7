import { existsSync, readFileSync } from 'node:fs';
import { EXIT } from '../../cli-error.ts';
import { unprivilegedUser } from '../../runtimes/embedded/unprivileged.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** What the embedded programs need of a system. */
export const embedded: Check = {
  id: 'embedded',
  category: 'host',
  severity: 'critical',
  title: 'what embedded programs need: C library, another user when we are root',
  exitCode: EXIT.unsupported,
  async detect(facts) {
    if (facts.usesDocker) return skipped('the engines are containers');
    if (process.platform !== 'linux') return ok(`${process.platform}-${process.arch}`);
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    const version = header?.glibcVersionRuntime;
    if (!version)
      return failed(
        'This system has musl instead of glibc (Alpine): the embedded engines do not run on it.',
        'Use --runtime docker, name servers with --postgres-url, or a Debian-based image.',
      );
    const user = unprivilegedUser();
    const inPasswd =
      !user || (existsSync('/etc/passwd') && readFileSync('/etc/passwd', 'utf8').includes(`${user.name}:`));
    if (!inPasswd)
      return failed(
        'We are root, and PostgreSQL refuses that; there is no user "postgres" or "nobody" to run it as.',
        'Add one: useradd --system postgres',
      );
    return ok(`glibc ${version}${user ? `; PostgreSQL runs as ${user.name}` : ''}`);
  },
};
