// Set-up for a fresh clone, with Node alone: installs and builds when that is due, then runs the CLI, or with
// --run an npm script. No dependency may be imported here.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MIN_NODE = [20, 19];
const EXIT_NODE_TOO_OLD = 26;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, 'node_modules', '.batchsender');
const packages = ['services/worker', 'cli', 'services/web'];

checkNode();
ensure('install', 'installing dependencies', fingerprint(['package-lock.json']), 'npm', [
  existsSync(join(root, 'package-lock.json')) ? 'ci' : 'install',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
]);
const built = packages.every((folder) => existsSync(join(root, folder, 'dist')));
ensure('build', 'building', built ? fingerprint(sources()) : null, 'npm', ['run', 'build', '--silent']);
const args = process.argv.slice(2);
const [command, ...rest] =
  args[0] === '--run'
    ? ['npm', 'run', '--silent', args[1], ...(args.length > 2 ? ['--', ...args.slice(2)] : [])]
    : [process.execPath, join(root, 'cli/bin/batchsender.mjs'), ...args];
const result = spawnSync(command, rest, {
  cwd: args[0] === '--run' ? root : process.cwd(),
  stdio: 'inherit',
  shell: false,
});
process.exit(result.status ?? 128 + (result.signal === 'SIGINT' ? 2 : 15));

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])) return;
  process.stderr.write(
    `error node_too_old: this is Node ${process.versions.node}, batchsender needs ${MIN_NODE.join('.')} or newer.\n  fix: install a current Node LTS (https://nodejs.org), then run the command again.\n`,
  );
  process.exit(EXIT_NODE_TOO_OLD);
}

/** Does the step unless its stamp carries the fingerprint; null means it is due anyway. */
function ensure(stamp, what, wanted, program, argv) {
  const file = join(stamps, stamp);
  if (wanted !== null && existsSync(file) && readFileSync(file, 'utf8') === wanted) return;
  process.stderr.write(`${what} …\n`);
  const started = Date.now();
  const { status } = spawnSync(program, argv, { cwd: root, stdio: ['ignore', 2, 'inherit'] });
  if (status !== 0) {
    process.stderr.write(
      `error ${stamp}_failed: "${program} ${argv.join(' ')}" failed; its output is above.\n`,
    );
    process.exit(status ?? 1);
  }
  mkdirSync(stamps, { recursive: true });
  writeFileSync(file, wanted ?? fingerprint(sources()));
  process.stderr.write(`${what} done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function fingerprint(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(file).update(readFileSync(path));
  }
  return hash.digest('hex');
}

function sources() {
  const found = [];
  const walk = (folder) => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      if (name === 'node_modules' || name === 'dist' || name === 'test' || name === 'testdata') continue;
      const path = `${folder}/${name}`;
      if (statSync(join(root, path)).isDirectory()) walk(path);
      else found.push(path);
    }
  };
  for (const p of packages) walk(p);
  return found;
}
