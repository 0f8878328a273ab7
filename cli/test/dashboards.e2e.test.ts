import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { docker, dockerEnv, PREFIX } from './docker.ts';
import { TestStack } from './run-cli.ts';

const env = dockerEnv();
const READER = `${PREFIX}/dashboard-reader`;

interface PanelData {
  panel: string;
  datasourceKnown: boolean;
  series: number;
}

test.runIf(env !== null)(
  'after up, what stands where Grafana stands finds its dashboards, its data source, and the test batch',
  async () => {
    const folder = fileURLToPath(new URL('dashboard-reader', import.meta.url));
    docker(
      'build',
      '--quiet',
      '--network',
      'none',
      '--build-arg',
      `BASE=${PREFIX}/node`,
      '-t',
      READER,
      folder,
    );
    const stack = new TestStack(`dashboards-${process.pid}`, { ...env!, BATCHSENDER_IMAGE_GRAFANA: READER });
    try {
      const up = await stack.run(['up', '--only', 'postgres,clickhouse,prometheus,grafana,worker,web']);
      expect(up.exitCode, up.stderr).toBe(0);
      const { components } = await stack.json<{ components: { name: string; url: string }[] }>(['status']);
      const { url } = components.find(({ name }) => name === 'grafana')!;
      const panels = async () => (await (await fetch(`${url}/panels`)).json()) as PanelData[];
      const found = await panels();
      expect(new Set(found.map(({ panel }) => panel.split(' / ')[0])).size).toBe(4);
      expect(found.filter(({ datasourceKnown }) => !datasourceKnown)).toEqual([]);
      // One test batch fills what is about messages and the system; limits, retries and bounces need some.
      const share = async () => {
        const all = await panels();
        return all.filter(({ series }) => series > 0).length / all.length;
      };
      await expect.poll(share, { timeout: 30_000, interval: 1000 }).toBeGreaterThan(0.8);
    } finally {
      await stack.remove();
    }
  },
);
