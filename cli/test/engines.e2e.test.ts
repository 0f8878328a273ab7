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
