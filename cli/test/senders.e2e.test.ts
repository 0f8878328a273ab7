import { afterAll, expect, test } from 'vitest';
import { TestStack } from './run-cli.ts';

const stack = new TestStack('senders');
afterAll(() => stack.remove());

interface Status {
  components: { name: string; state: string }[];
}

test('--senders adds sender processes, remembers them, and takes them away again', async () => {
  const up = await stack.run(['up', '--only', 'postgres,worker', '--senders', '3']);
  expect(up.exitCode, up.stderr).toBe(0);
  const running = async () =>
    (await stack.json<Status>(['status'])).components
      .filter((one) => one.state === 'running')
      .map((one) => one.name);
  expect(await running()).toEqual(['postgres', 'worker', 'sender-2', 'sender-3']);
  expect((await stack.run(['logs', 'sender-3'])).stdout).toContain('"roles":["sender"]');
  expect((await stack.run(['up', '--senders', '2'])).exitCode).toBe(0);
  expect(await running()).toEqual(['postgres', 'worker', 'sender-2']);
  expect((await stack.run(['down'])).stdout).toContain('sender-2');
});
