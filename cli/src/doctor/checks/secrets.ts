import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../../cli-error.ts';
import { checkoutRoot } from '../../stack/stack.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

const OTHERS = 0o077;

export const secrets: Check = {
  id: 'secrets',
  category: 'stack',
  severity: 'critical',
  title: 'the stack’s passwords: readable by you alone, and not in git',
  exitCode: EXIT.config,
  async detect({ stack }) {
    const file = join(stack.dir, 'secrets.json');
    if (!existsSync(file)) return skipped('no stack yet');
    if (isTracked(file))
      return failed(
        `${file} is in git: whoever clones the repository has the passwords.`,
        `git rm --cached ${file}, then start anew with: batchsender down --volumes`,
      );
    const { mode } = statSync(file);
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0)
      return failed(
        `${file} can be read by others (mode ${(mode & 0o777).toString(8)}).`,
        `chmod 600 ${file}`,
        { repair: { title: `make ${file} readable by you alone`, run: async () => chmodSync(file, 0o600) } },
      );
    return ok('passwords were made for this stack and are readable by you alone');
  },
};

function isTracked(file: string): boolean {
  try {
    execFileSync('git', ['ls-files', '--error-unmatch', file], {
      cwd: checkoutRoot(),
      stdio: 'ignore',
      timeout: 1000,
    });
    return true;
  } catch {
    return false;
  }
}
