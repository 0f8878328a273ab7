import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
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

  test('after a build, up starts again what was built anew, and nothing else; until then that is said', async () => {
    const main = fileURLToPath(new URL('../../services/worker/dist/main.js', import.meta.url));
    const before = readFileSync(main, 'utf8');
    const stack = new TestStack('rebuilt');
    const up = () => stack.run(['up', '--only', 'postgres,worker', '--no-test-batch']);
    const status = async () => {
      const { components } = await stack.json<{
        components: { name: string; state: string; pid: number; outdated: boolean }[];
      }>(['status']);
      return Object.fromEntries(components.map((one) => [one.name, one]));
    };
    try {
      expect((await up()).exitCode).toBe(0);
      const first = await status();
      expect(first.worker!.outdated).toBe(false);
      writeFileSync(main, `${before}\n// built anew\n`);
      const meanwhile = await status();
      expect(meanwhile.worker).toMatchObject({ state: 'running', outdated: true, pid: first.worker!.pid });
      expect((await stack.run(['status'])).stdout).toContain('running (old)');
      const doctor = await stack.json<{ checks: { status: string; message: string }[] }>([
        ...['doctor', 'versions', 'components'],
      ]);
      expect(doctor.checks[0]).toMatchObject({
        status: 'failed',
        message: 'Worker runs an older build, or with other settings.',
      });
      expect(doctor.checks[1]!.status).toBe('ok');
      expect((await up()).exitCode).toBe(0);
      const second = await status();
      expect(second.worker!.outdated).toBe(false);
      expect(second.worker!.pid).not.toBe(first.worker!.pid);
      expect(second.postgres!.pid).toBe(first.postgres!.pid);
    } finally {
      writeFileSync(main, before);
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
