import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { discoverEngine } from '../src/runtimes/docker/engine.ts';
import { reclaimable, removeImages } from '../src/runtimes/docker/space.ts';
import { containersOf, docker, dockerEnv, PREFIX } from './docker.ts';
import { isRunning } from './processes.ts';
import { PrometheusApi } from './prometheus-api.ts';
import { TestStack } from './run-cli.ts';

const env = dockerEnv();
/** Nothing of an earlier run that was killed gets in the way. */
const NAME = `whole-${process.pid}`;
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Status {
  state: string;
  components: {
    name: string;
    state: string;
    container: string | null;
    url: string | null;
    ports: Record<string, number>;
  }[];
}
interface Failure {
  error: { id: string; message: string; fix: string; evidence: string[]; exitCode: number };
}

interface Finding {
  status: string;
  message: string;
  evidence?: string[];
  repaired?: string;
}

const container = (stack: TestStack, component: string) =>
  containersOf(stack.name).find((name) => name.endsWith(`-${component}`))!;

describe.runIf(env !== null)('the docker runtime', () => {
  const stack = new TestStack(NAME, env!);
  const up = (...more: string[]) => stack.run(['up', '--without', 'grafana', ...more]);
  beforeAll(async () => {
    const cold = await up();
    expect(cold.exitCode, cold.stderr).toBe(0);
  });
  afterAll(() => stack.remove());

  const finding = async (id: string, ...more: string[]) =>
    (await stack.json<{ checks: Finding[] }>(['doctor', id, ...more])).checks[0]!;
  const find = async (name: string) =>
    (await stack.json<Status>(['status'])).components.find((one) => one.name === name)!;

  test('a second up finds everything running and touches nothing', async () => {
    const before = containersOf(stack.name).map((name) =>
      docker('inspect', '-f', '{{.Id}} {{.State.StartedAt}}', name),
    );
    const again = await up('--timings');
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stderr).not.toMatch(/started on/);
    expect(again.stdout).toContain('critical chain');
    expect(
      containersOf(stack.name).map((name) => docker('inspect', '-f', '{{.Id}} {{.State.StartedAt}}', name)),
    ).toEqual(before);
  });

  test('containers are published on the loopback, limited, without mounts of this machine, and carry both labels', () => {
    for (const name of containersOf(stack.name)) {
      const [facts] = JSON.parse(docker('inspect', name));
      const { HostConfig, Config, Mounts } = facts;
      for (const bindings of Object.values(HostConfig.PortBindings) as { HostIp: string }[][])
        for (const { HostIp } of bindings) expect(HostIp).toBe('127.0.0.1');
      expect(HostConfig.Memory).toBeGreaterThan(0);
      expect(HostConfig.Init).toBe(true);
      expect(HostConfig.RestartPolicy.Name).toBe('no');
      expect(HostConfig.LogConfig.Config['max-size']).toBe('10m');
      expect(HostConfig.Binds ?? []).toEqual([]);
      for (const mount of Mounts as { Type: string }[]) expect(mount.Type).toBe('volume');
      expect(Config.Labels).toMatchObject({
        'io.batchsender.stack-name': NAME,
        'com.docker.compose.project': expect.stringContaining(`batchsender-${NAME}-`),
        'com.docker.compose.service': expect.any(String),
      });
    }
  });

  test('the test batch shows up in Prometheus, which scrapes services on the host', async () => {
    const prometheus = new PrometheusApi((await find('prometheus')).url!);
    await expect
      .poll(() => prometheus.value('sum(batchsender_messages_total{state="sent"})'), {
        timeout: 30_000,
        interval: 500,
      })
      .toBeGreaterThanOrEqual(25);
    await expect.poll(() => prometheus.value('min(up{job=~"worker|web"})'), { timeout: 30_000 }).toBe(1);
  });

  test('a killed container is started again by up, and nothing else is touched', async () => {
    const before = await find('nats');
    docker('kill', container(stack, 'nats'));
    await expect.poll(async () => (await find('nats')).state).toBe('stopped');
    expect((await stack.run(['status'])).exitCode).toBe(63);
    const again = await up();
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stderr).toMatch(/NATS +restarted/);
    expect(again.stderr.match(/started on/g)).toHaveLength(1);
    expect((await find('nats')).ports).toEqual(before.ports);
  });

  test('a subnet that another route takes is named; --fix moves the stack to one of its own', async (context) => {
    const network = docker('network', 'ls', '-q', '--filter', `label=io.batchsender.stack-name=${NAME}`);
    const subnet = docker('network', 'inspect', '--format', '{{(index .IPAM.Config 0).Subnet}}', network);
    const route = [`${subnet.split('.').slice(0, 2).join('.')}.128.0/24`, 'dev', 'lo'];
    try {
      // As a VPN that was connected later does: a route to a part of it, by another device.
      await execa('ip', ['route', 'add', ...route]);
    } catch {
      return context.skip('no program "ip", or no right to add routes');
    }
    try {
      expect((await finding('docker-network')).message).toContain(`${subnet} is also routed to lo`);
      expect(await finding('docker-network', '--fix', '--yes')).toMatchObject({
        status: 'ok',
        repaired: 'yes',
      });
    } finally {
      await execa('ip', ['route', 'del', ...route]);
    }
    const again = await up('--no-test-batch');
    expect(again.exitCode, again.stderr).toBe(0);
    const { message } = await finding('docker-network');
    expect(message).toMatch(/^10\.213\.\d+\.0\/24, and no other route/);
    // Taken by another network while the stack was down: that is no reason to fail.
    await stack.run(['down']);
    const thief = docker('network', 'create', '--subnet', message.split(',')[0]!, `${NAME}-thief`);
    const third = await up('--no-test-batch');
    docker('network', 'rm', thief);
    expect(third.exitCode, third.stderr).toBe(0);
    expect((await finding('docker-network')).message).not.toContain('10.213.');
  });

  test('a container removed behind our back is seen as stopped, and made again with its data', async () => {
    const listed = async () => (await stack.json<{ items: unknown[] }>(['batch', 'list'])).items.length;
    const batches = await listed();
    docker('rm', '-f', container(stack, 'postgres'));
    expect((await find('postgres')).state).toBe('stopped');
    expect((await up('--no-test-batch')).exitCode).toBe(0);
    expect(await listed()).toBe(batches);
  });

  test('after a reboot of the engine all containers are stopped; up starts the same ones again', async (context) => {
    const ids = () =>
      containersOf(stack.name)
        .map((name) => docker('inspect', '-f', '{{.Id}}', name))
        .sort();
    const before = ids();
    if (!(await restartEngine())) return context.skip();
    const status = await stack.json<Status>(['status']);
    expect(status.components.find((one) => one.name === 'postgres')!.state).toBe('stopped');
    const again = await up();
    expect(again.exitCode, again.stderr).toBe(0);
    expect(ids()).toEqual(before);
    expect((await stack.json<Status>(['status'])).state).toBe('running');
  });

  test('services run as containers when asked, are scraped there, and come back to the host', async () => {
    const inside = await up('--services', 'container', '--senders', '2');
    expect(inside.exitCode, inside.stderr).toBe(0);
    expect(inside.stderr).toContain('25 of 25 delivered');
    for (const name of ['worker', 'web', 'sender-2'] as const)
      expect(await find(name)).toMatchObject({ state: 'running', container: expect.any(String) });
    expect(docker('inspect', '-f', '{{.Config.User}}', container(stack, 'worker'))).toBe('node');
    expect((await stack.run(['logs', 'worker'])).stdout).toContain('worker is up');
    const prometheus = new PrometheusApi((await find('prometheus')).url!);
    // By instance: Prometheus goes on answering with what it last saw of the old ones for a while.
    const answering = 'count(up{instance=~"worker:6001|sender-2:6001|web:3000"} == 1)';
    await expect.poll(() => prometheus.value(answering), { timeout: 30_000, interval: 500 }).toBe(3);
    const outside = await up('--services', 'host', '--senders', '1');
    expect(outside.exitCode, outside.stderr).toBe(0);
    expect(containersOf(stack.name).some((name) => /-(worker|web|sender-\d)$/.test(name))).toBe(false);
  });

  test('a second checkout runs beside it, with names, ports, data and network of its own', async () => {
    const other = new TestStack(NAME, env!);
    try {
      const started = await other.run(['up', '--only', 'postgres,nats,worker']);
      expect(started.exitCode, started.stderr).toBe(0);
      expect(started.stderr).toMatch(
        /port 5433 for postgres is taken by container batchsender-whole\S+ of project/,
      );
      expect((await find('postgres')).state).toBe('running');
      expect(containersOf(NAME).filter((name) => name.endsWith('-postgres'))).toHaveLength(2);
    } finally {
      await other.remove();
    }
    expect((await find('postgres')).state).toBe('running');
  });

  test('a volume with another password is recognised before anything starts, and healed without losing data', async () => {
    const secrets = join(stack.dir, `${NAME}/secrets.json`);
    const batches = (await stack.json<{ items: unknown[] }>(['batch', 'list'])).items.length;
    const { postgresPassword: _, ...rest } = JSON.parse(readFileSync(secrets, 'utf8'));
    const change = (postgresPassword: string) =>
      writeFileSync(secrets, JSON.stringify({ ...rest, postgresPassword }));
    change('e'.repeat(32));
    expect(await finding('postgres-data')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('refuses this stack’s password'),
    });
    expect(await finding('postgres-data', '--fix', '--yes')).toMatchObject({ status: 'ok', repaired: 'yes' });
    expect((await up('--no-test-batch')).exitCode).toBe(0);
    await stack.run(['down']);
    change('f'.repeat(32));
    expect(await finding('postgres-data')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('was made with another password'),
    });
    const refused = await stack.json<Failure>(['up', '--without', 'grafana']);
    expect(refused.error).toMatchObject({
      id: 'postgres_other_password',
      exitCode: 71,
      fix: expect.stringContaining('--reset-password'),
    });
    expect(containersOf(stack.name).some((name) => name.endsWith('-postgres'))).toBe(false);
    const healed = await up('--reset-password', '--no-test-batch');
    expect(healed.exitCode, healed.stderr).toBe(0);
    expect((await stack.json<{ items: unknown[] }>(['batch', 'list'])).items.length).toBe(batches);
    expect((await up()).exitCode).toBe(0);
  });

  test('down leaves no container and no network, keeps the volumes; --volumes removes these', async () => {
    const volumes = () => docker('volume', 'ls', '-q', '--filter', `label=io.batchsender.stack-name=${NAME}`);
    const networks = () =>
      docker('network', 'ls', '-q', '--filter', `label=io.batchsender.stack-name=${NAME}`);
    const down = await stack.run(['down']);
    expect(down.exitCode, down.stderr).toBe(0);
    expect(containersOf(stack.name)).toEqual([]);
    expect(networks()).toBe('');
    expect(volumes()).not.toBe('');
    await stack.run(['down', '--volumes']);
    expect(volumes()).toBe('');
  });
});

/** Ends the engine and starts it again, when it is one that CI started for these tests. */
async function restartEngine(): Promise<boolean> {
  const pid = Number(process.env.BATCHSENDER_TEST_DOCKERD);
  if (!pid) return false;
  process.kill(pid, 'SIGTERM');
  const answers = () => {
    try {
      docker('version');
      return true;
    } catch {
      return false;
    }
  };
  // It answers no more long before it is gone; another one would not start beside it.
  await expect.poll(() => isRunning(pid), { timeout: 60_000, interval: 200 }).toBe(false);
  const engine = execa('dockerd', [], { detached: true, stdio: 'ignore', reject: false });
  engine.unref();
  process.env.BATCHSENDER_TEST_DOCKERD = String(engine.pid);
  await expect.poll(answers, { timeout: 60_000, interval: 200 }).toBe(true);
  return true;
}

describe.runIf(env !== null)('a start that fails explains itself', () => {
  let stack: TestStack;
  const failing = async (image: string, more: string[] = []) => {
    stack = new TestStack(`failing-${process.pid}`, env!);
    return stack.json<Failure>(['up', '--only', 'nats', '--image', `nats=${image}`, ...more]);
  };
  const cleanUp = () => stack.remove();
  const lastFailure = async () =>
    (await stack.json<{ checks: Finding[] }>(['doctor', 'last-failure'])).checks[0]!;

  test('a container that ends at once: its exit code and last lines', async () => {
    const { error } = await failing(`${PREFIX}/exits`);
    const doctor = await lastFailure();
    await cleanUp();
    expect(doctor).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('NATS ended: it ended with exit code 3'),
    });
    expect(doctor.evidence).toContain('nats: fatal: option log_dir is not known');
    expect(error).toMatchObject({ id: 'nats_ended', exitCode: 69 });
    expect(error.message).toContain('exit code 3');
    expect(error.evidence.join('\n')).toContain('fatal: option log_dir is not known');
  });

  test('a container that runs out of memory: that, and its limit', async () => {
    const { error } = await failing(`${PREFIX}/greedy`);
    const doctor = await lastFailure();
    await cleanUp();
    expect(doctor.message).toContain('it ran out of memory (limit 512 MiB)');
    expect(error.id).toBe('nats_ended');
    expect(error.message).toContain('ran out of memory (limit 512 MiB)');
    expect(error.fix).toContain('mem_limit');
  });

  test('a container that never gets ready: last answer, its health check, its last lines; left for a look', async () => {
    const { error } = await failing(`${PREFIX}/silent`);
    const left = containersOf(stack.name);
    const doctor = await lastFailure();
    await cleanUp();
    expect(doctor.message).toContain('runs but does not answer: the store is still locked by another server');
    expect(error).toMatchObject({ id: 'nats_not_ready', exitCode: 62 });
    expect(error.message).toContain('Last answer:');
    expect(error.message).toContain('the store is still locked by another server');
    expect(error.evidence).toContain('waiting for the store');
    expect(left).toHaveLength(1);
  });

  test('an image that cannot be pulled: why, and the way without Docker', async () => {
    const { error } = await failing('registry.invalid/nothing:1');
    await cleanUp();
    expect(error).toMatchObject({ id: 'image_network', exitCode: 49 });
    expect(error.fix).toContain('--runtime embedded');
  });

  test('ports: a host process and a container are named, each as what it is', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as { port: number };
    const byProcess = await failing(`${PREFIX}/nats`, ['--port', `nats=${port}`]);
    squatter.close();
    expect(byProcess.error).toMatchObject({ id: 'port_taken', exitCode: 31 });
    expect(byProcess.error.message).toContain(`PID ${process.pid}`);
    const holder = docker('run', '-d', '--rm', '-p', `127.0.0.1:${port}:4222`, `${PREFIX}/nats`);
    const byContainer = await stack.json<Failure>(['up', '--only', 'nats', '--port', `nats=${port}`]);
    docker('rm', '-f', holder);
    await cleanUp();
    expect(byContainer.error.id).toBe('port_taken');
    expect(byContainer.error.message).toMatch(/by container \S+/);
  });
});

test.runIf(env !== null)(
  'space: images of former builds are known as ours, and only these are removed',
  async () => {
    const tag = `${PREFIX}/space-${process.pid}`;
    const label = `io.batchsender.inputs`;
    const build = (content: string) =>
      execa('docker', ['build', '--quiet', '--network', 'none', '-t', tag, '-'], {
        input: `FROM ${PREFIX}/debian\nLABEL ${label}=${content}\nRUN echo ${content} > /content\n`,
      });
    const former = (await build('former')).stdout;
    const current = (await build('current')).stdout;
    const { found } = await discoverEngine(process.env);
    const { ours, unusedMib } = await reclaimable(found!.docker);
    expect(ours).toContain(former);
    expect(ours).not.toContain(current);
    expect(unusedMib).toBeGreaterThan(0);
    await removeImages(found!.docker, [former, former]);
    expect((await reclaimable(found!.docker)).ours).not.toContain(former);
    expect(docker('image', 'inspect', '--format', '{{.Id}}', tag)).toBe(current);
    docker('rmi', tag);
  },
);

describe.runIf(env !== null)('commands that meet', () => {
  test('INT during up leaves no container of this run', async () => {
    const stack = new TestStack(`stopped-${process.pid}`, env!);
    try {
      const up = stack.start(['up', '--without', 'grafana']);
      await expect
        .poll(() => containersOf(stack.name).length, { timeout: 20_000, interval: 50 })
        .toBeGreaterThan(0);
      up.kill('SIGINT');
      expect((await up).exitCode).toBe(130);
      expect(containersOf(stack.name)).toEqual([]);
    } finally {
      await stack.remove();
    }
  });

  test('two at once start everything once', async () => {
    const stack = new TestStack(`both-${process.pid}`, env!);
    try {
      const runs = await Promise.all([1, 2].map(() => stack.run(['up', '--only', 'postgres,nats'])));
      const said = runs.map((run) => run.stderr).join('');
      expect(
        runs.map((run) => run.exitCode),
        said,
      ).toEqual([0, 0]);
      expect(said.match(/started on/g)).toHaveLength(2);
      expect(said.match(/runs on/g)).toHaveLength(2);
      expect(containersOf(stack.name)).toHaveLength(2);
    } finally {
      await stack.remove();
    }
  });

  test('without images and without being asked for, Docker is left and the stack comes up all the same', async () => {
    const stack = new TestStack('fallback', { BATCHSENDER_IMAGE_PREFIX: 'registry.invalid' });
    try {
      const up = await stack.run(['up', '--only', 'postgres,worker']);
      expect(up.exitCode, up.stderr).toBe(0);
      expect(up.stderr).toMatch(/could not be pulled.*Going on without Docker/);
      expect(up.stderr).toContain('25 of 25 delivered');
    } finally {
      await stack.remove();
    }
  });
});

test.runIf(env !== null)('docker-compose understands the same file', async () => {
  const { stdout } = await execa(
    'docker-compose',
    ['-f', join(root, 'infra/compose/compose.yaml'), '--profile', 'services', 'config', '--services'],
    { env: { POSTGRES_PASSWORD: 'a', CLICKHOUSE_PASSWORD: 'b', SECRET_KEY: 'c' } },
  );
  expect(stdout.split('\n').sort()).toEqual([
    'clickhouse',
    'dragonfly',
    'grafana',
    'nats',
    'postgres',
    'prometheus',
    'web',
    'worker',
  ]);
});
