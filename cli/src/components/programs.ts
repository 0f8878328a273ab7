import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** Places that a user's PATH often lacks. */
const MORE_FOLDERS =
  process.platform === 'win32' ? [] : ['/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin', '/usr/local/bin'];

/** The first of the programs that is installed, with its path. */
export function findProgram(names: string[], env: NodeJS.ProcessEnv): { name: string; path: string } | null {
  const folders = [...(env.PATH ?? '').split(delimiter).filter(Boolean), ...MORE_FOLDERS];
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (isProgram(path)) return { name, path };
    }
  }
  return null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Folder and version of an installed package, by walking up as Node does; packages may not export their
 * package.json, so resolving it is no way.
 */
export function installedPackage(name: string): { folder: string; version: string } | null {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    const file = join(candidate, 'package.json');
    if (existsSync(file))
      return {
        folder: candidate,
        version: (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version,
      };
    if (folder === dirname(folder)) return null;
  }
}
