import { afterAll, beforeAll, expect, test } from 'vitest';
import { has } from './requirement.ts';
import { TestStack } from './run-cli.ts';

const components = [
  ...(has('nats') ? ['nats'] : []),
  ...(has('redis') ? ['dragonfly'] : []),
  ...(has('prometheus') ? ['prometheus'] : []),
];
const stack = new TestStack('engines');
let reported: { name: string; state: string; url: string | null }[] = [];

beforeAll(async () => {
  const up = await stack.run(['up', '--only', ['postgres', 'worker', ...components].join(',')]);
  expect(up.exitCode, up.stderr).toBe(0);
  ({ components: reported } = await stack.json<{ components: typeof reported }>(['status']));
});
afterAll(() => stack.remove());

test.runIf(components.length > 0)(
  'engines that are installed take part and answer over their own protocol',
  () => {
    for (const name of components)
      expect(reported.find((one) => one.name === name)).toMatchObject({ state: 'running' });
  },
);

test.runIf(components.includes('prometheus'))(
  'the test batch shows up in Prometheus with nothing else done',
  async () => {
    const prometheus = reported.find((one) => one.name === 'prometheus')!.url!;
    const query = async (promql: string) => {
      const response = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(promql)}`);
      const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
      return Number(data.result[0]?.value[1] ?? 0);
    };
    await expect
      .poll(() => query('sum(batchsender_messages_total{state="sent"})'), { timeout: 30_000, interval: 500 })
      .toBeGreaterThanOrEqual(25);
    expect(await query('up{job="worker"}')).toBe(1);
  },
);
