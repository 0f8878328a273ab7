import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface PortOwner {
  pid: number;
  name: string;
  command: string | null;
}

const LISTEN = '0A';
const MAX_COMMAND_CHARS = 80;

/** Who listens on a port; null when it cannot be found out (another user's process, another system). */
export function ownerOf(port: number): PortOwner | null {
  try {
    return process.platform === 'linux' ? ownerByProc(port) : ownerByLsof(port);
  } catch {
    return null;
  }
}

function ownerByProc(port: number): PortOwner | null {
  const inodes = new Set([...listening('/proc/net/tcp', port), ...listening('/proc/net/tcp6', port)]);
  if (inodes.size === 0) return null;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (holds(pid, inodes)) {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return {
        pid: Number(pid),
        name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim(),
        command: command.slice(0, MAX_COMMAND_CHARS) || null,
      };
    }
  }
  return null;
}

function listening(file: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hex}`) && fields[3] === LISTEN)
    .map((fields) => fields[9]!);
}

function holds(pid: string, inodes: Set<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        return inode !== undefined && inodes.has(inode);
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

function ownerByLsof(port: number): PortOwner | null {
  const output = execFileSync('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'], {
    encoding: 'utf8',
    timeout: 3000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = /^p(\d+)$/m.exec(output)?.[1];
  return pid ? { pid: Number(pid), name: /^c(.+)$/m.exec(output)?.[1] ?? 'unknown', command: null } : null;
}
