import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dotenvFault } from '../src/doctor/checks/configuration.ts';
import { describeLimits, type MachineLimits, shortageOf } from '../src/doctor/machine-limits.ts';

const ENOUGH: MachineLimits = {
  openFiles: 1024,
  processes: null,
  lockedBytes: 65_536,
  memoryMaps: 65_530,
  watching: null,
  watchInstances: 128,
  watches: 8192,
  ioUringDisabled: 0,
  kernel: '6.1.0-18-amd64',
};
const ALL = { clickhouse: true, dragonfly: true };

test('limits that suffice, and what else is worth knowing of them', () => {
  expect(shortageOf(ENOUGH, ALL)).toBeNull();
  expect(describeLimits(ENOUGH, ALL)).toBe('1024 open files, 8192 watched, 65530 maps');
  expect(describeLimits({ ...ENOUGH, ioUringDisabled: 2 }, ALL)).toContain('Dragonfly uses epoll');
});

test.each([
  [{ openFiles: 256 }, 'may open 256 files; 1024 are needed', 'ulimit -n'],
  [{ processes: 100 }, 'allows 100 processes', '--pids-limit'],
  [
    { watching: 'EMFILE' as const },
    'max_user_instances (128) is used up',
    'fs.inotify.max_user_instances=1024',
  ],
  [
    { watching: 'ENOSPC' as const },
    'max_user_watches (8192) is used up',
    'fs.inotify.max_user_watches=65536',
  ],
  [{ memoryMaps: 4096 }, 'vm.max_map_count is 4096', 'sysctl -w vm.max_map_count'],
  [{ kernel: '5.4.0-generic' }, 'lock 65536 bytes', 'ulimit -l unlimited'],
])('%j: what is too low, and what raises it', (limit, message, fix) => {
  const shortage = shortageOf({ ...ENOUGH, ...limit }, ALL)!;
  expect(shortage.message).toContain(message);
  expect(shortage.fix).toContain(fix);
});

test('what a part needs is no matter where that part is left out', () => {
  const low = { ...ENOUGH, memoryMaps: 4096, kernel: '5.4.0' };
  expect(shortageOf(low, { clickhouse: false, dragonfly: false })).toBeNull();
});

test('.env: carriage returns, which a repair removes, and names that are set twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dotenv-'));
  const file = join(folder, '.env');
  expect(dotenvFault(file)).toBeNull();
  writeFileSync(file, 'A=1\nB=2\r\n');
  const carriage = dotenvFault(file);
  expect(carriage).toMatchObject({ status: 'failed', message: expect.stringContaining('Line 2 of .env') });
  await (carriage as { repair: { run(): Promise<void> } }).repair.run();
  expect(readFileSync(file, 'utf8')).toBe('A=1\nB=2\n');
  expect(dotenvFault(file)).toBeNull();
  writeFileSync(file, 'A=1\n# A=2\nexport B=2\nA=3\n');
  expect(dotenvFault(file)).toMatchObject({
    message: '.env sets A twice, in lines 1 and 4; the last one wins.',
  });
  rmSync(folder, { recursive: true });
});
