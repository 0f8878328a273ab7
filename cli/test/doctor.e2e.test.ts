import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isReachable } from '../src/runtimes/embedded/unprivileged.ts';
import { docker, dockerEnv, PREFIX } from './docker.ts';
import { has } from './requirement.ts';
import { TestStack } from './run-cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'cli/bin/batchsender.mjs');
const withDocker = dockerEnv();
const withPrometheus = has('prometheus');
const asRoot = process.getuid?.() === 0;

interface Finding {
  id: string;
  status: 'ok' | 'failed' | 'skipped';
  severity: string;
  message: string;
  fix?: string;
  evidence?: string[];
  repair?: string;
  repaired?: string;
}
interface Report {
  checks: Finding[];
  summary: { ok: number; failed: number; warnings: number; skipped: number };
  bundle: string | null;
  exitCode: number;
}

describe('the doctor, on a real stack that is broken in many ways', () => {
  const stack = new TestStack('doctor');
  const up = () => stack.run(['up', '--without', 'nats,dragonfly,grafana', '--senders', '1']);
  beforeAll(async () => {
    const first = await up();
    expect(first.exitCode, first.stderr).toBe(0);
  });
  afterAll(() => stack.remove());

  const report = (args: string[] = [], env: Record<string, string> = {}) =>
    stack.run(['--json', 'doctor', ...args], env).then(({ stdout, exitCode }) => {
      const body = JSON.parse(stdout) as Report;
      expect(body.exitCode).toBe(exitCode);
      return body;
    });
  const finding = async (id: string, args: string[] = [], env: Record<string, string> = {}) =>
    (await report([id, ...args], env)).checks[0]!;
  const pids = async () => {
    const { components } = await stack.json<{ components: { name: string; pid: number; url: string }[] }>([
      'status',
    ]);
    return Object.fromEntries(components.map(({ name, pid }) => [name, pid]));
  };
  const state = () => JSON.parse(readFileSync(join(stack.dir, 'doctor/state.json'), 'utf8'));
  const sql = async (text: string) => {
    const { DATABASE_URL } = await stack.json<{ DATABASE_URL: string }>(['env']);
    const client = new pg.Client({ connectionString: DATABASE_URL });
    await client.connect();
    await client.query(text);
    await client.end();
  };

  test('finds nothing on a healthy one, fits into 80 columns, and delivers a batch with --deep', async () => {
    const { checks, summary } = await report(['--deep']);
    expect(checks.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(summary.ok).toBeGreaterThan(20);
    expect(checks.find(({ id }) => id === 'delivery')!.message).toContain('5 of 5 delivered');
    for (const args of [[], ['--list'], ['configuration', 'versions']]) {
      const { stdout } = await stack.run(['doctor', ...args]);
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      // Asked for by name, it is said in full.
      if (args.length > 1) expect(stdout).toContain('runtime is embedded by BATCHSENDER_RUNTIME');
    }
  });

  test('lists its checks with stable ids', async () => {
    const { checks } = await stack.json<{ checks: { id: string; deep: boolean }[] }>(['doctor', '--list']);
    expect(checks.length).toBeGreaterThanOrEqual(39);
    expect(new Set(checks.map(({ id }) => id)).size).toBe(checks.length);
    expect(await stack.json(['doctor', 'nonsense'])).toMatchObject({
      error: { id: 'check_unknown', exitCode: 2 },
    });
  });

  test('a stopped engine: named, with its last lines; and the record it left, which --fix removes', async () => {
    const { clickhouse } = await pids();
    process.kill(clickhouse!, 'SIGKILL');
    await expect.poll(async () => (await finding('components')).status).toBe('failed');
    const broken = await report();
    expect(broken.exitCode).toBe(63);
    const components = broken.checks.find(({ id }) => id === 'components')!;
    expect(components.message).toContain('ClickHouse is not running');
    const failure = broken.checks.find(({ id }) => id === 'last-failure')!;
    expect(failure.message).toContain('ClickHouse ended: nobody stopped it; it ran since');
    expect(failure.evidence!.some((line) => line.startsWith('clickhouse: '))).toBe(true);
    expect(await finding('leftovers')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('records of processes that are gone (clickhouse)'),
    });
    expect(await stack.json(['doctor', 'leftovers', '--fix'])).toMatchObject({
      error: { id: 'confirmation_needed', exitCode: 2 },
    });
    expect(await finding('leftovers', ['--fix', '--yes'])).toMatchObject({ status: 'ok', repaired: 'yes' });
    expect((await up()).exitCode).toBe(0);
    expect((await finding('components')).status).toBe('ok');
  });

  test('a port that was stolen: by whom', async () => {
    const { web } = await pids();
    const port = state().ports.web;
    process.kill(web!, 'SIGKILL');
    const thief = createServer(() => {});
    await expect
      .poll(
        () =>
          new Promise((resolve) => {
            thief.once('error', () => resolve(false));
            thief.listen(port, '127.0.0.1', () => resolve(true));
          }),
      )
      .toBe(true);
    const found = await finding('ports');
    expect(found).toMatchObject({ status: 'failed' });
    expect(found.message).toContain(`${port} (web)`);
    expect(found.message).toContain(`PID ${process.pid}`);
    expect(await finding('ports', ['--fix', '--yes'])).toMatchObject({ status: 'ok', repaired: 'yes' });
    expect(state().ports.web).not.toBe(port);
    expect((await up()).exitCode).toBe(0);
    thief.close();
  });

  test('a password that PostgreSQL refuses, and secrets that others can read', async () => {
    const file = join(stack.dir, 'doctor/secrets.json');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace(/"postgresPassword":"[^"]+"/, '"postgresPassword":"wrong-password"'));
    chmodSync(file, 0o644);
    const wrong = await report(['postgres-data', 'secrets']);
    expect(wrong.exitCode).toBe(71);
    expect(wrong.checks.map(({ status }) => status)).toEqual(['failed', 'failed']);
    expect(wrong.checks[0]!.message).toContain('refuses this stack’s password');
    writeFileSync(file, before);
    expect(await finding('secrets', ['--fix', '--yes'])).toMatchObject({ status: 'ok', repaired: 'yes' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('a revoked key, and one that was never made', async () => {
    await sql('UPDATE api_keys SET revoked_at = now()');
    const revoked = await report(['api-key']);
    expect(revoked).toMatchObject({ exitCode: 84, checks: [{ status: 'failed' }] });
    await sql('UPDATE api_keys SET revoked_at = NULL');
    expect(await finding('api-key', [], { BATCHSENDER_API_KEY: 'bs_wrong' })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('BATCHSENDER_API_KEY'),
    });
  });

  test('a pending migration, which --fix applies', async () => {
    await sql(`DROP TABLE seen_events; ALTER TABLE messages DROP COLUMN soft;
      DELETE FROM schema_migrations WHERE name = '0004_provider_events'`);
    const pending = await report(['migrations']);
    expect(pending.exitCode).toBe(72);
    expect(pending.checks[0]!.message).toContain('0004_provider_events');
    expect(await finding('migrations', ['--fix', '--yes'])).toMatchObject({ status: 'ok', repaired: 'yes' });
  });

  test('a paused provider and its reason; messages of uncertain end', async () => {
    await sql(`UPDATE providers SET state = 'paused', pause_reason = '535 5.7.8 Bad credentials'`);
    await sql('UPDATE chunks SET sent = sent - 2, uncertain = 2 WHERE no = 1');
    const { checks } = await report(['providers', 'queue']);
    expect(checks[0]).toMatchObject({
      status: 'failed',
      message: 'mock is paused: 535 5.7.8 Bad credentials',
    });
    expect(checks[1]!.message).toMatch(/Nobody knows the end of \d+ messages/);
    await sql(`UPDATE providers SET state = 'active', pause_reason = NULL`);
    await sql('UPDATE chunks SET sent = sent + 2, uncertain = 0 WHERE no = 1');
  });

  test.runIf(withPrometheus)('Prometheus that was pointed elsewhere', async () => {
    await expect.poll(async () => (await finding('metrics')).status, { timeout: 20_000 }).toBe('ok');
    const targets = join(stack.dir, 'doctor/prometheus/targets/worker.json');
    const before = readFileSync(targets, 'utf8');
    writeFileSync(targets, JSON.stringify([{ targets: ['127.0.0.1:9'] }]));
    await expect
      .poll(async () => (await finding('metrics')).message, { timeout: 20_000, interval: 500 })
      .toContain('scrapes 127.0.0.1:9, and not');
    writeFileSync(targets, before);
    await expect
      .poll(async () => (await finding('metrics')).status, { timeout: 20_000, interval: 500 })
      .toBe('ok');
  });

  test('metrics that were made private, by something that sits before the worker', async () => {
    const port = state().ports.worker;
    process.kill((await pids()).worker!, 'SIGKILL');
    const gate = createServer((request, response) => {
      response.statusCode = request.url === '/health' ? 200 : 401;
      response.end('{}');
    });
    await expect
      .poll(
        () =>
          new Promise((resolve) => {
            gate.once('error', () => resolve(false));
            gate.listen(port, '127.0.0.1', () => resolve(true));
          }),
      )
      .toBe(true);
    const found = await finding('metrics');
    gate.closeAllConnections();
    gate.close();
    expect(found).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('answers 401: it must be public'),
    });
  });

  test('a stopped sender: nothing is sent, and that is said', async () => {
    await expect
      .poll(async () => (await finding('senders')).status, { timeout: 20_000, interval: 500 })
      .toBe('failed');
    const { exitCode, checks } = await report(['senders']);
    expect(exitCode).toBe(63);
    expect(checks[0]!.message).toBe('No sender and no planner is alive: nothing is sent.');
    expect((await up()).exitCode).toBe(0);
  });

  test('a proxy that would get what is meant for the loopback: a warning, and up says it too', async () => {
    const proxied = { HTTP_PROXY: 'http://proxy.example:3128', NO_PROXY: 'example.com' };
    const { exitCode, checks } = await report(['proxy'], proxied);
    expect(exitCode).toBe(0);
    expect(checks[0]).toMatchObject({ status: 'failed', severity: 'warning' });
    expect(checks[0]!.fix).toContain('NO_PROXY=example.com,127.0.0.1,localhost');
    const again = await stack.run(['up', '--no-test-batch'], proxied);
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stderr).toContain('NO_PROXY does not name 127.0.0.1');
    expect((await finding('proxy', [], { ...proxied, NO_PROXY: '127.0.0.1,localhost' })).status).toBe('ok');
  });

  test('a setting that is misspelt, in the environment or in the file', async () => {
    expect(await finding('configuration', [], { BATCHSENDER_RUNTIM: 'docker' })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('BATCHSENDER_RUNTIM is set, and nothing reads it'),
    });
    const file = join(stack.dir, 'settings.yaml');
    writeFileSync(file, 'runtime: embedded\nimage: {}\n');
    expect(await finding('configuration', [], { BATCHSENDER_CONFIG: file })).toMatchObject({
      status: 'failed',
    });
    const run = await stack.run(['--json', 'up'], { BATCHSENDER_CONFIG: file });
    expect(JSON.parse(run.stdout.split('\n').at(-1)!)).toMatchObject({
      error: { id: 'setting_invalid', exitCode: 84 },
    });
  });

  test('which setting wins, and what it hides', async () => {
    const file = join(stack.dir, 'settings.yaml');
    writeFileSync(file, 'runtime: docker\nimagePrefix: mirror.example\n');
    const { message } = await finding('configuration', [], { BATCHSENDER_CONFIG: file });
    expect(message).toBe(
      `runtime is embedded by BATCHSENDER_RUNTIME (the file's docker is not used); imagePrefix is mirror.example by ${file}`,
    );
    writeFileSync(file, 'runtime: docker\nruntime: embedded\n');
    expect(await finding('configuration', [], { BATCHSENDER_CONFIG: file })).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('Map keys must be unique'),
    });
  });

  test('a newer release, when a setting says where to ask; asked once a day', async () => {
    let latest = 'v99.1.0';
    let asked = 0;
    const releases = createServer((_request, response) => {
      asked++;
      response.end(JSON.stringify({ tag_name: latest }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => releases.once('listening', resolve));
    const url = `http://127.0.0.1:${(releases.address() as AddressInfo).port}`;
    expect((await finding('latest-release')).status).toBe('skipped');
    for (let i = 0; i < 2; i++)
      expect(await finding('latest-release', [], { BATCHSENDER_RELEASES_URL: url })).toMatchObject({
        status: 'failed',
        severity: 'warning',
        message: expect.stringContaining('99.1.0 is out'),
      });
    expect(asked).toBe(1);
    latest = 'v0.0.1';
    expect((await finding('latest-release', [], { BATCHSENDER_RELEASES_URL: `${url}/stable` })).status).toBe(
      'ok',
    );
    releases.close();
  });

  test('in CI, a stack that a former job left; --fix stops it', async () => {
    const file = join(stack.dir, 'doctor/state.json');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replaceAll(
        /"startedAt": "[^"]+"/g,
        '"startedAt": "2026-01-01T00:00:00.000Z"',
      ),
    );
    expect(await finding('ci')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('runs since 2026-01-01'),
    });
    expect(await finding('ci', ['--fix', '--yes'])).toMatchObject({ status: 'ok', repaired: 'yes' });
    expect((await finding('components')).status).toBe('skipped');
    expect((await up()).exitCode).toBe(0);
  });

  test('two checkouts beside each other are fine; one on the other’s port is named', async () => {
    const other = new TestStack('doctor');
    try {
      const started = await other.run(['up', '--only', 'postgres,worker', '--no-test-batch']);
      expect(started.exitCode, started.stderr).toBe(0);
      expect(await finding('other-checkout')).toMatchObject({
        status: 'ok',
        message: expect.stringContaining(other.dir),
      });
      await stack.run(['down']);
      const port = state().ports.worker;
      const moved = await other.run(['up', '--port', `worker=${port}`, '--no-test-batch']);
      expect(moved.exitCode, moved.stderr).toBe(0);
      const found = await finding('other-checkout');
      expect(found).toMatchObject({ status: 'failed' });
      expect(found.message).toContain(`${port} (worker)`);
    } finally {
      await other.remove();
    }
    expect((await up()).exitCode).toBe(0);
  });

  test('--bundle writes an archive of versions, states, findings and logs, without secrets and addresses', async () => {
    const file = join(stack.dir, 'help.tar.gz');
    const { bundle } = await report(['--bundle', file], { SMTP_PASSWORD: 'hunter2-hunter2' });
    expect(bundle).toBe(file);
    const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
    execFileSync('tar', ['-xzf', file, '-C', folder]);
    const read = (name: string) => readFileSync(join(folder, 'batchsender-doctor', name), 'utf8');
    expect(JSON.parse(read('versions.json'))).toMatchObject({ node: process.versions.node });
    expect(JSON.parse(read('findings.json')).length).toBeGreaterThan(20);
    expect(read('logs/worker.log')).toContain('worker is up');
    const everything = execFileSync('cat', listFiles(folder), { encoding: 'utf8' });
    for (const secret of Object.values(
      JSON.parse(readFileSync(join(stack.dir, 'doctor/secrets.json'), 'utf8')),
    ))
      expect(everything).not.toContain(secret);
    expect(everything).not.toContain('hunter2');
    expect(everything).not.toMatch(/[\w.]+@example\.com/);
    rmSync(folder, { recursive: true });
  });

  function listFiles(folder: string): string[] {
    return execFileSync('find', [folder, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n');
  }
});

describe('the doctor, about dashboards', () => {
  // Its interface for this: https://grafana.com/docs/grafana/latest/developers/http_api/data_source/
  const GRAFANA = `#!${process.execPath}
    require('http').createServer(async (request, response) => {
      const json = (status, body) => { response.statusCode = status; response.end(JSON.stringify(body)); };
      if (request.url === '/api/health') return json(200, { database: 'ok' });
      if (request.headers.authorization !== 'Basic ' + Buffer.from('admin:admin').toString('base64')) return json(401, {});
      if (request.url !== '/api/datasources/uid/prometheus/health') return json(404, {});
      const ready = await fetch(process.env.PROMETHEUS_URL + '/-/ready').catch((error) => error);
      if (ready.ok) json(200, { status: 'OK', message: 'Successfully queried the Prometheus API.' });
      else json(400, { status: 'ERROR', message: 'dial tcp: connection refused' });
    }).listen(process.env.GF_SERVER_HTTP_PORT, '127.0.0.1');`;

  test.runIf(withPrometheus)('Grafana that reaches Prometheus, and that does not', async () => {
    const stack = new TestStack('dashboards');
    const programs = join(stack.dir, 'bin');
    mkdirSync(programs);
    writeFileSync(join(programs, 'grafana'), GRAFANA, { mode: 0o755 });
    const env = { PATH: `${programs}:${process.env.PATH}` };
    try {
      const up = await stack.run(
        ['up', '--only', 'postgres,worker,prometheus,grafana', '--no-test-batch'],
        env,
      );
      expect(up.exitCode, up.stderr).toBe(0);
      const finding = async () =>
        (JSON.parse((await stack.run(['--json', 'doctor', 'grafana'], env)).stdout) as Report).checks[0]!;
      expect(await finding()).toMatchObject({ status: 'ok', message: 'Grafana reaches Prometheus' });
      const { components } = await stack.json<{ components: { name: string; pid: number }[] }>(['status']);
      process.kill(components.find(({ name }) => name === 'prometheus')!.pid, 'SIGKILL');
      await expect
        .poll(async () => (await finding()).message)
        .toBe('Grafana does not reach Prometheus: dial tcp: connection refused.');
    } finally {
      await stack.remove();
    }
  });
});

describe('the doctor, about the machine', () => {
  test.runIf(asRoot)('a disk that is full: doctor and up say so, with one exit code', async (context) => {
    const stack = new TestStack('full');
    const disk = join(stack.dir, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return context.skip('file systems cannot be mounted here');
    }
    const env = { BATCHSENDER_STATE_DIR: disk };
    try {
      const found = await stack.run(['--json', 'doctor', 'disk'], env);
      expect(found.exitCode).toBe(39);
      expect((JSON.parse(found.stdout) as Report).checks[0]!.message).toMatch(/Only \d+ MiB are free/);
      const up = await stack.run(['--json', 'up'], env);
      expect(up.exitCode).toBe(39);
      expect(up.stdout).toContain('"disk_full"');
    } finally {
      execFileSync('umount', [disk]);
      rmSync(stack.dir, { recursive: true, force: true });
    }
  });

  describe.runIf(withDocker !== null)('too little memory, as a container allows it', () => {
    const inContainer = (memory: string, script: string) =>
      execa(
        'docker',
        [
          ...['run', '--rm', '-m', memory, '-v', `${root}:${root}:ro`],
          ...['-e', 'BATCHSENDER_STATE_DIR=/tmp/state', '-e', 'BATCHSENDER_RUNTIME=embedded', '-e', 'CI=1'],
          ...[`${PREFIX}/node`, 'sh', '-c', script.replaceAll('batchsender', `node ${bin}`)],
        ],
        { reject: false },
      );

    test('for anything: said, and nothing to leave out', async () => {
      const run = await inContainer('250m', 'batchsender --json doctor memory');
      expect(run.exitCode, run.stderr).toBe(29);
      const [found] = (JSON.parse(run.stdout) as Report).checks;
      expect(found!.message).toContain('250 MiB of memory are allowed here');
      expect(found!.repair).toBeUndefined();
    });

    test('for everything: up refuses, --fix leaves out what saves most, and then up delivers', async () => {
      const run = await inContainer(
        '600m',
        'batchsender up || echo "refused $?"; batchsender --json doctor memory --fix --yes && batchsender up',
      );
      expect(run.exitCode, run.stderr).toBe(0);
      expect(run.stdout).toContain('refused 29');
      expect(run.stderr).toMatch(/leave parts out: batchsender up --without clickhouse/);
      expect(run.stdout).toContain('"repaired":"yes"');
      expect(run.stderr).toContain('ClickHouse   left out');
      expect(run.stderr).toContain('25 of 25 delivered');
    });
  });

  test.runIf(withDocker !== null)('an image for another processor', async () => {
    const stack = new TestStack('foreign', withDocker!);
    const image = foreignImage();
    const env = { BATCHSENDER_IMAGE_NATS: image };
    try {
      // Only the plan is needed: nothing of that image is started.
      await stack.run(['up', '--only', 'nats', '--image', `nats=${PREFIX}/nats`, '--no-test-batch']);
      await stack.run(['down']);
      const file = join(stack.dir, 'foreign/state.json');
      writeFileSync(file, readFileSync(file, 'utf8').replace(`${PREFIX}/nats`, image));
      const { stdout, exitCode } = await stack.run(['--json', 'doctor', 'images'], env);
      expect(exitCode).toBe(45);
      expect((JSON.parse(stdout) as Report).checks[0]!.message).toMatch(
        /is for (arm64|amd64), this machine is/,
      );
    } finally {
      docker('rmi', '-f', image);
      await stack.remove();
    }
  });

  test.runIf(withDocker !== null && asRoot)('the engine’s socket without permission', async (context) => {
    if (!isReachable(root)) return context.skip('the checkout is closed to other users');
    const dir = mkdtempSync(join(tmpdir(), 'nobody-'));
    chmodSync(dir, 0o777);
    const run = await execa(
      process.execPath,
      [bin, '--json', 'doctor', 'docker-permission', 'docker-engine'],
      {
        uid: 65534,
        gid: 65534,
        extendEnv: false,
        env: { PATH: process.env.PATH!, HOME: dir, BATCHSENDER_STATE_DIR: dir },
        reject: false,
      },
    );
    expect(run.exitCode, run.stderr).toBe(57);
    const { checks } = JSON.parse(run.stdout) as Report;
    expect(checks[0]).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('you may not use'),
    });
    expect(checks[0]!.fix).toContain('usermod -aG docker');
    rmSync(dir, { recursive: true, force: true });
  });

  test('an engine that is too old to talk to', async () => {
    const stack = new TestStack('ancient');
    const socket = join(stack.dir, 'docker.sock');
    const engine = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ Version: '19.3.1', ApiVersion: '1.40', MinAPIVersion: '1.12' }));
    }).listen(socket);
    const env = { BATCHSENDER_RUNTIME: 'docker', DOCKER_HOST: `unix://${socket}` };
    const { stdout, exitCode } = await stack.run(['--json', 'doctor', 'docker-version'], env);
    engine.close();
    expect(exitCode).toBe(56);
    expect((JSON.parse(stdout) as Report).checks[0]!.message).toBe(
      'Docker 19.3.1 speaks API 1.40; 1.41 is the least.',
    );
    await stack.remove();
  });

  test('an engine that is there and silent is started by --fix, with the command of its maker', async () => {
    const stack = new TestStack('asleep');
    const socket = join(stack.dir, '.colima/docker.sock');
    const programs = join(stack.dir, 'bin');
    mkdirSync(join(stack.dir, '.colima'));
    mkdirSync(programs);
    // A socket that nobody listens on, as a stopped virtual machine leaves it.
    const listen = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', listen]);
    const version = JSON.stringify({ Version: '28.0.1', ApiVersion: '1.48', MinAPIVersion: '1.24' });
    writeFileSync(
      join(programs, 'engine.js'),
      `const server = require('http').createServer((_, response) => { response.setHeader('content-type', 'application/json'); response.end('${version}'); }).listen(process.argv[2]);
       setTimeout(() => process.exit(), 15000);`,
    );
    writeFileSync(
      join(programs, 'colima'),
      `#!/bin/sh\n[ "$1" = start ] || exit 1\nrm ${socket}\n${process.execPath} ${programs}/engine.js ${socket} >/dev/null 2>&1 &\n`,
      { mode: 0o755 },
    );
    const env = {
      BATCHSENDER_RUNTIME: 'docker',
      DOCKER_HOST: `unix://${socket}`,
      PATH: `${programs}:${process.env.PATH}`,
    };
    const report = async (...args: string[]) =>
      JSON.parse((await stack.run(['--json', 'doctor', 'docker-engine', ...args], env)).stdout) as Report;
    expect((await report()).checks[0]).toMatchObject({ status: 'failed', repair: 'run "colima start"' });
    expect((await report('--fix', '--yes')).checks[0]).toMatchObject({
      status: 'ok',
      repaired: 'yes',
      message: expect.stringContaining('Docker 28.0.1'),
    });
    rmSync(stack.dir, { recursive: true });
  });

  test('an engine that is asked for and not there: the same fault from doctor and up', async () => {
    const stack = new TestStack('noengine', {
      BATCHSENDER_RUNTIME: 'docker',
      DOCKER_HOST: 'unix:///nonexistent.sock',
    });
    const up = await stack.run(['--json', 'up']);
    expect(up.exitCode).toBe(55);
    expect(up.stdout).toContain('"docker_not_found"');
    await stack.remove();
  });
});

/** An image whose configuration names another processor: nothing of it can run here. */
function foreignImage(): string {
  const name = `${PREFIX}/foreign:latest`;
  const folder = mkdtempSync(join(tmpdir(), 'foreign-'));
  const [here, there] = process.arch === 'arm64' ? ['arm64', 'amd64'] : ['amd64', 'arm64'];
  execFileSync('bash', [
    '-c',
    `set -e; cd ${folder}; echo x > x; tar -c x | docker import - ${name} >/dev/null; docker save ${name} | tar -x
     sed -i 's/"architecture":"${here}"/"architecture":"${there}"/' *.json; rm x; tar -c * | docker load >/dev/null`,
  ]);
  rmSync(folder, { recursive: true });
  return name;
}
