import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from './run-cli.ts';

interface Status {
  state: string;
  components: {
    name: string;
    state: string;
    pid: number | null;
    ports: Record<string, number>;
    url: string | null;
  }[];
}

/** A process that ended but was not reaped yet does not count. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a stack', () => {
  const stack = new TestStack('life');
  let url = '';
  beforeAll(async () => {
    const up = await stack.run(['up', '--without', 'prometheus,nats,dragonfly']);
    expect(up.exitCode, up.stderr).toBe(0);
  });
  afterAll(() => stack.remove());

  const status = () => stack.json<Status>(['status']);
  const find = async (name: string) => (await status()).components.find((one) => one.name === name)!;

  test('up ends with URLs and credentials on stdout, progress on stderr, and a delivered batch', async () => {
    const again = await stack.run(['up', '--without', 'prometheus,nats,dragonfly']);
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

  test('a killed service is started again by up, and nothing else is touched', async () => {
    const before = await status();
    const worker = before.components.find((one) => one.name === 'worker')!;
    process.kill(worker.pid!, 'SIGKILL');
    await expect.poll(async () => (await find('worker')).state).toBe('stopped');
    expect((await stack.run(['status'])).exitCode).toBe(63);
    const up = await stack.run(['up', '--without', 'prometheus,nats,dragonfly']);
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
    for (const pid of pids) expect(isRunning(pid), `PID ${pid}`).toBe(false);
    expect((await status()).state).toBe('stopped');
    expect((await stack.run(['up', '--without', 'prometheus,nats,dragonfly'])).exitCode).toBe(0);
    expect((await stack.json<{ items: unknown[] }>(['batch', 'list'])).items.length).toBeGreaterThan(3);
    expect((await stack.run(['down', '--volumes'])).stdout).toContain('data removed');
    expect(existsSync(join(stack.dir, 'life'))).toBe(false);
  });
});

describe('up', () => {
  test('a taken port is named with its owner and replaced, and the choice is remembered; an insisted one is an error', async () => {
    const stack = new TestStack('ports');
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as { port: number };
    try {
      const insisted = await stack.json<{ error: { id: string; message: string } }>([
        'up',
        '--only',
        'postgres',
        '--port',
        `postgres=${port}`,
      ]);
      expect(insisted.error).toMatchObject({
        id: 'port_taken',
        message: expect.stringContaining(`PID ${process.pid}`),
      });
      mkdirSync(join(stack.dir, 'ports'), { recursive: true });
      const first = await stack.run(['up', '--only', 'postgres']);
      expect(first.exitCode, first.stderr).toBe(0);
      const state = JSON.parse(readFileSync(join(stack.dir, 'ports/state.json'), 'utf8'));
      await stack.run(['down']);
      await stack.run(['up', '--only', 'postgres']);
      expect(JSON.parse(readFileSync(join(stack.dir, 'ports/state.json'), 'utf8')).ports.postgres).toBe(
        state.ports.postgres,
      );
    } finally {
      squatter.close();
      await stack.remove();
    }
  });

  test('INT during up leaves nothing half-started, and its exit code says so', async () => {
    const stack = new TestStack('interrupted');
    try {
      const up = stack.start(['up', '--without', 'prometheus,nats,dragonfly']);
      await expect
        .poll(
          () =>
            existsSync(join(stack.dir, 'interrupted/state.json')) &&
            Object.values(
              JSON.parse(readFileSync(join(stack.dir, 'interrupted/state.json'), 'utf8')).processes,
            ).some((one) => (one as { pid: number }).pid > 0),
          { timeout: 10_000 },
        )
        .toBe(true);
      up.kill('SIGINT');
      expect((await up).exitCode).toBe(130);
      const { components } = await stack.json<Status>(['status']);
      expect(components.filter((one) => one.pid !== null)).toEqual([]);
    } finally {
      await stack.remove();
    }
  });

  test('a second up waits for the first instead of starting everything twice', async () => {
    const stack = new TestStack('twice');
    try {
      const runs = await Promise.all([1, 2, 3].map(() => stack.run(['up', '--only', 'postgres'])));
      const said = runs.map((run) => run.stderr).join('');
      expect(
        runs.map((run) => run.exitCode),
        said,
      ).toEqual([0, 0, 0]);
      expect(said.match(/started on/g)).toHaveLength(1);
      expect(said.match(/runs on/g)).toHaveLength(2);
    } finally {
      await stack.remove();
    }
  });

  test('data of another PostgreSQL major is recognised and left alone', async () => {
    const stack = new TestStack('major');
    try {
      await stack.run(['up', '--only', 'postgres']);
      await stack.run(['down']);
      const version = join(stack.dir, 'major/data/postgres/PG_VERSION');
      const reachable = existsSync(version);
      if (!reachable) return;
      writeFileSync(version, '15\n');
      expect(await stack.json(['up', '--only', 'postgres'])).toMatchObject({
        error: { id: 'postgres_other_major', exitCode: 71, fix: expect.any(String) },
      });
    } finally {
      await stack.remove();
    }
  });

  test('a state folder that cannot be written is a clear error', async () => {
    const stack = new TestStack('readonly');
    try {
      writeFileSync(join(stack.dir, 'file'), '');
      const run = await stack.run(['--json', 'up', '--only', 'postgres'], {
        BATCHSENDER_STATE_DIR: join(stack.dir, 'file'),
      });
      expect(JSON.parse(run.stdout)).toMatchObject({ error: { id: 'state_not_writable', exitCode: 37 } });
    } finally {
      await stack.remove();
    }
  });

  test('--dry-run says what takes part and why the rest does not, and changes nothing', async () => {
    const stack = new TestStack('dry');
    const run = await stack.run(['up', '--dry-run'], { PATH: '/nonexistent' });
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toMatch(/PostgreSQL +PostgreSQL .*embedded|PostgreSQL +postgres:/);
    expect(existsSync(join(stack.dir, 'dry'))).toBe(false);
  });
});
