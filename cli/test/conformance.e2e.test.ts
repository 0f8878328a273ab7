import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { containersOf, dockerEnv } from './docker.ts';
import { isRunning } from './processes.ts';
import { TestStack } from './run-cli.ts';

const LEFT_OUT = 'prometheus,nats,dragonfly,grafana';

interface Status {
  state: string;
  components: {
    name: string;
    state: string;
    runtime: string;
    pid: number | null;
    container: string | null;
    ports: Record<string, number>;
    url: string | null;
  }[];
}

const runtimes: [string, Record<string, string> | null][] = [
  ['embedded', { BATCHSENDER_RUNTIME: 'embedded' }],
  ['docker', dockerEnv()],
];

describe.each(runtimes)('a stack with the %s runtime', (runtime, env) => {
  if (env === null) {
    test.skip('needs an engine');
    return;
  }
  const stack = new TestStack('life', env);
  let url = '';
  beforeAll(async () => {
    const up = await stack.run(['up', '--without', LEFT_OUT]);
    expect(up.exitCode, up.stderr).toBe(0);
  });
  afterAll(() => stack.remove());

  const status = () => stack.json<Status>(['status']);
  const find = async (name: string) => (await status()).components.find((one) => one.name === name)!;

  test('up ends with URLs and credentials on stdout, progress on stderr, and a delivered batch', async () => {
    const again = await stack.run(['up', '--without', LEFT_OUT]);
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toMatch(/Dashboard +http:\/\/127\.0\.0\.1:\d+ +test@example\.com \/ test123/);
    expect(again.stderr).toContain('25 of 25 delivered');
    expect(again.stdout).not.toContain('delivered');
    url = (await find('worker')).url!.replace('/api/docs', '');
  });

  test('status tells state, pid, ports and URL of every component, also as JSON', async () => {
    const result = await status();
    expect(result.state).toBe('running');
    for (const name of ['postgres', 'clickhouse', 'worker', 'web']) {
      expect(result.components.find((one) => one.name === name)).toMatchObject({
        state: 'running',
        pid: expect.any(Number),
        ports: { main: expect.any(Number) },
      });
    }
  });

  test('status tells which way each component runs', async () => {
    const { components } = await status();
    const found = (name: string) => components.find((one) => one.name === name)!;
    expect(found('postgres').runtime).toBe(runtime);
    expect(found('postgres').container).toEqual(runtime === 'docker' ? expect.any(String) : null);
    expect(found('worker').runtime).toBe('embedded');
  });

  test('a killed service is started again by up, and nothing else is touched', async () => {
    const before = await status();
    const worker = before.components.find((one) => one.name === 'worker')!;
    process.kill(worker.pid!, 'SIGKILL');
    await expect.poll(async () => (await find('worker')).state).toBe('stopped');
    expect((await stack.run(['status'])).exitCode).toBe(63);
    const up = await stack.run(['up', '--without', LEFT_OUT]);
    expect(up.exitCode, up.stderr).toBe(0);
    const after = await status();
    expect(after.components.find((one) => one.name === 'worker')!.pid).not.toBe(worker.pid);
    expect(after.components.find((one) => one.name === 'postgres')!.pid).toBe(
      before.components.find((one) => one.name === 'postgres')!.pid,
    );
  });

  test('send delivers a file, prints counts, and its exit code says whether all went well', async () => {
    const file = join(stack.dir, 'people.csv');
    writeFileSync(file, 'email;name\nann@example.com;Ann\nbo@example.org;Bo\n');
    const good = await stack.run([
      'send',
      file,
      '--from',
      'news@example.com',
      '--subject',
      'Hello {{ name }}',
      '--text',
      'Hello {{ name }}',
    ]);
    expect(good.exitCode, good.stderr).toBe(0);
    expect(good.stdout).toContain('completed: 2 sent');
    writeFileSync(file, 'email;name\nann@example.com;Ann\nnobody;Bo\n');
    const bad = await stack.run([
      'send',
      file,
      '--from',
      'news@example.com',
      '--text',
      'Hello {{ name }}',
      '--provider',
      'mock',
    ]);
    expect(bad.exitCode).toBe(78);
    expect(bad.stderr).toContain('row 3, address');
  });

  test('bad input names what is wrong, what to do, and has a stable id', async () => {
    const file = join(stack.dir, 'x.csv');
    writeFileSync(file, 'name,city\nAnn,Bonn\n');
    const error = async (...args: string[]) =>
      (await stack.json<{ error: { id: string; fix?: string; exitCode: number } }>(args)).error;
    expect(await error('send', file, '--from', 'a@example.com', '--text', 'x y')).toMatchObject({
      id: 'recipients_no_address_column',
      exitCode: 2,
    });
    expect(await error('send', file, '--from', 'a@example.com', '--text', 'Hi {{ name')).toMatchObject({
      id: 'template_invalid',
    });
    expect(
      await error('send', file, '--from', 'a@example.com', '--text', 'x y', '--provider', 'none'),
    ).toMatchObject({ id: 'provider_unknown' });
    expect(await error('send', file, '--from', 'a@example.com')).toMatchObject({ id: 'content_missing' });
    expect(await error('send', 'missing.csv', '--text', 'x y')).toMatchObject({
      id: 'file_not_found',
      exitCode: 65,
    });
    expect(await error('batch', 'list', '--api-key', 'wrong')).toMatchObject({
      id: 'unauthorized',
      exitCode: 84,
    });
    expect(await error('up', '--only', 'oracle')).toMatchObject({ id: 'component_unknown', exitCode: 2 });
    expect(await error('up', '--port', 'worker=99999')).toMatchObject({ id: 'port_invalid', exitCode: 2 });
    expect((await stack.run(['up', '--colour'])).exitCode).toBe(2);
    expect((await stack.run(['fly'])).exitCode).toBe(2);
  });

  test('providers are added, listed, shown, tested and removed', async () => {
    const add = await stack.run([
      'provider',
      'add',
      'relay',
      '--kind',
      'smtp',
      '--set',
      'host=127.0.0.1',
      '--set',
      'port=1',
      '--set',
      'password=hush',
      '--set',
      'user=u',
      '--limit',
      'perSecond=14',
    ]);
    expect(add.exitCode, add.stderr).toBe(0);
    expect((await stack.run(['provider', 'list'])).stdout).toMatch(/relay +smtp +active +perSecond=14/);
    const show = await stack.run(['provider', 'show', 'relay']);
    expect(show.stdout).toContain('***');
    expect(show.stdout).not.toContain('hush');
    expect(await stack.json(['provider', 'test', 'relay'])).toMatchObject({
      error: { id: 'provider_test_failed', message: expect.stringContaining('ECONNREFUSED') },
    });
    expect((await stack.run(['provider', 'remove', 'relay'])).exitCode).toBe(0);
    expect((await stack.run(['provider', 'show', 'relay'])).exitCode).toBe(65);
  });

  test('logs prints a component, and follows the whole stack as JSON', async () => {
    expect((await stack.run(['logs', 'worker'])).stdout).toContain('worker is up');
    const line = (await stack.run(['--json', 'logs'])).stdout.split('\n')[0]!;
    expect(JSON.parse(line)).toMatchObject({ component: expect.any(String), line: expect.any(String) });
    expect(await stack.json(['logs', 'nothing'])).toMatchObject({ error: { id: 'component_unknown' } });
  });

  test('seed is safe to repeat and sends a batch of the size asked for', async () => {
    const seeded = await stack.json<{ batch: { id: string; total: number } }>(['seed', '--batch', '120']);
    expect(seeded.batch.total).toBe(120);
    const shown = () =>
      stack.json<{ state: string; counts: { sent: number } }>(['batch', 'show', seeded.batch.id]);
    await expect.poll(async () => (await shown()).counts.sent, { timeout: 20_000 }).toBe(120);
  });

  test('doctor finds nothing on it, and knows which way it runs', async () => {
    const { checks } = await stack.json<{ checks: { id: string; status: string; message: string }[] }>([
      'doctor',
    ]);
    expect(checks.filter(({ status }) => status === 'failed')).toEqual([]);
    const images = checks.find(({ id }) => id === 'images')!;
    expect(images.status).toBe(runtime === 'docker' ? 'ok' : 'skipped');
    expect(checks.find(({ id }) => id === 'components')!.message).toMatch(/^4 parts run and answer/);
  });

  test('the dashboard serves its page, passes the API on, and keeps the login', async () => {
    const web = (await find('web')).url!;
    expect(await (await fetch(web)).text()).toContain('<div id="root">');
    expect((await fetch(`${web}/api/batches`)).status).toBe(401);
    const login = await fetch(`${web}/api/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'test@example.com', password: 'test123' }),
    });
    const cookie = login.headers.get('set-cookie')!.split(';')[0]!;
    expect((await fetch(`${web}/api/batches`, { headers: { cookie } })).status).toBe(200);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  });

  test('down leaves no process and keeps the data; up again has it; --volumes removes it', async () => {
    const pids = (await status()).components
      .map((one) => one.pid)
      .filter((pid): pid is number => pid !== null);
    expect((await stack.run(['down'])).exitCode).toBe(0);
    if (runtime === 'docker') expect(containersOf(stack.name)).toEqual([]);
    for (const pid of pids) expect(isRunning(pid), `PID ${pid}`).toBe(false);
    expect((await status()).state).toBe('stopped');
    expect((await stack.run(['up', '--without', LEFT_OUT])).exitCode).toBe(0);
    expect((await stack.json<{ items: unknown[] }>(['batch', 'list'])).items.length).toBeGreaterThan(3);
    expect((await stack.run(['down', '--volumes'])).stdout).toContain('data removed');
    expect(existsSync(join(stack.dir, 'life'))).toBe(false);
  });
});
