import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Stack } from '../../stack/stack.ts';

/** PostgreSQL refuses to run as root; these exist on practically every system. */
const CANDIDATES = ['postgres', 'nobody'];
const SHARED_DIR = '/var/lib/batchsender';

export interface UnprivilegedUser {
  name: string;
  uid: number;
  gid: number;
}

/** The user PostgreSQL runs as when we are root; null when we are not. */
export function unprivilegedUser(): UnprivilegedUser | null {
  if (process.getuid?.() !== 0) return null;
  const passwd = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8').split('\n') : [];
  for (const candidate of CANDIDATES) {
    const fields = passwd.find((line) => line.startsWith(`${candidate}:`))?.split(':');
    if (fields) return { name: candidate, uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return { name: 'nobody', uid: 65534, gid: 65534 };
}

/** Whether others than the owner may enter every folder on the way to `path`. */
export function isReachable(path: string): boolean {
  for (let folder = existingParent(path); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

function existingParent(path: string): string {
  return existsSync(path) ? realpathSync(path) : existingParent(dirname(path));
}

/**
 * A folder of the stack that the user can reach and owns: in the stack's own folder, or below
 * /var/lib/batchsender when the checkout is closed to others (as /root is).
 */
export function ownedFolder(stack: Stack, name: string, user: UnprivilegedUser | null): string {
  const inside = stack.data(name);
  if (!user) return inside;
  return isReachable(stack.dir) ? inside : join(SHARED_DIR, stack.id, name);
}

export function giveTo(path: string, user: UnprivilegedUser | null): void {
  mkdirSync(path, { recursive: true });
  if (!user) return;
  chownSync(path, user.uid, user.gid);
  chmodSync(path, 0o700);
}

/** Programs the user can run: in place, or copied once to where it can reach them. */
export function reachablePrograms(folder: string, version: string, user: UnprivilegedUser | null): string {
  if (!user || isReachable(folder)) return folder;
  const copy = join(SHARED_DIR, 'programs', version);
  if (!existsSync(join(copy, '.complete'))) {
    cpSync(folder, copy, { recursive: true, dereference: false, verbatimSymlinks: true });
    mkdirSync(join(copy, '.complete'), { recursive: true });
  }
  return copy;
}
