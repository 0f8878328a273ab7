import { fileURLToPath } from 'node:url';
import { type Component, fetchLocal } from './component.ts';
import { installedPackage } from './programs.ts';

const USER = 'batchsender';
const FRONT = fileURLToPath(new URL('./clickhouse-front.js', import.meta.url));

export const clickhouse: Component = {
  name: 'clickhouse',
  title: 'ClickHouse',
  kind: 'engine',
  ports: { '': 8123 },
  needs: [],
  readyWithinMs: 30_000,
  memoryMib: 350,
  locate: () => {
    const platform = `${process.platform}-${process.arch}`;
    const engine = installedPackage('chdb');
    const library = installedPackage(`@chdb/lib-${platform}${process.platform === 'linux' ? '-gnu' : ''}`);
    return engine && library
      ? { present: true, how: `chDB ${engine.version} behind an HTTP front, embedded` }
      : { present: false, why: `chDB has no build for ${platform}: analytics is off, everything else works` };
  },
  launch(context) {
    return {
      program: process.execPath,
      args: [FRONT],
      env: {
        PATH: context.env.PATH ?? '',
        CLICKHOUSE_FRONT_PORT: String(context.port()),
        CLICKHOUSE_FRONT_DATA: context.stack.data('clickhouse'),
        CLICKHOUSE_FRONT_USER: USER,
        CLICKHOUSE_FRONT_PASSWORD: context.stack.secrets.clickhousePassword,
      },
      cwd: context.stack.dir,
      files: [FRONT],
    };
  },
  async probe(context) {
    const base = `http://127.0.0.1:${context.port()}`;
    const ping = await fetchLocal(`${base}/ping`);
    if ((await ping.text()) !== 'Ok.\n') throw new Error(`/ping answered ${ping.status}`);
    const query = await fetchLocal(`${base}/?query=SELECT%201`, {
      headers: { authorization: basic(context.stack.secrets.clickhousePassword) },
    });
    if (!query.ok)
      throw new Error(`SELECT 1 answered ${query.status}: ${(await query.text()).slice(0, 200)}`);
  },
  url: (context) => `http://${USER}:${context.stack.secrets.clickhousePassword}@127.0.0.1:${context.port()}`,
  access: (context) => ({
    url: `http://127.0.0.1:${context.port()}`,
    credentials: `${USER} / (see .batchsender/${context.stack.name}/secrets.json)`,
  }),
  explain(lines) {
    const text = lines.join('\n');
    if (/No space left on device/.test(text))
      return { why: 'the disk is full', fix: 'Free some space, or set BATCHSENDER_STATE_DIR.' };
    if (/EADDRINUSE/.test(text))
      return { why: 'its port was taken at the last moment', fix: 'Run: batchsender up' };
    return null;
  },
};

function basic(password: string): string {
  return `Basic ${Buffer.from(`${USER}:${password}`).toString('base64')}`;
}
