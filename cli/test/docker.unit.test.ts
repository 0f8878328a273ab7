// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Compose, not of JavaScript
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { POSTGRES_SETTINGS } from '../src/components/postgres.ts';
import { engineCandidates } from '../src/runtimes/docker/candidates.ts';
import { readCompose } from '../src/runtimes/docker/compose/compose-file.ts';
import { interpolate } from '../src/runtimes/docker/compose/interpolate.ts';
import { bytesOf, secondsOf } from '../src/runtimes/docker/compose/units.ts';
import { demultiplex } from '../src/runtimes/docker/container-logs.ts';
import { discoverEngine, negotiate, noEngine } from '../src/runtimes/docker/engine.ts';
import { pullFailure } from '../src/runtimes/docker/images.ts';
import { conflictingPort } from '../src/runtimes/docker/port-conflict.ts';
import { freeSubnet, routeInTheWay, routes } from '../src/runtimes/docker/subnets.ts';

const SECRETS = { POSTGRES_PASSWORD: 'p', CLICKHOUSE_PASSWORD: 'c', SECRET_KEY: 's' };
const folder = mkdtempSync(join(tmpdir(), 'batchsender-docker-'));

function home(files: Record<string, object>): string {
  const dir = mkdtempSync(join(folder, 'home-'));
  for (const [name, content] of Object.entries(files)) {
    const file = join(dir, name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, JSON.stringify(content));
  }
  return dir;
}

const context = (name: string, host: string) => ({
  [`.docker/contexts/meta/${createHash('sha256').update(name).digest('hex')}/meta.json`]: {
    Name: name,
    Endpoints: { docker: { Host: host } },
  },
});

describe('where an engine is looked for', () => {
  test('DOCKER_HOST alone, when it is set', () => {
    expect(engineCandidates({ DOCKER_HOST: 'tcp://10.0.0.5:2375' }, home({}))).toEqual([
      { host: 'tcp://10.0.0.5:2375', source: 'DOCKER_HOST' },
    ]);
  });

  test('the context that DOCKER_CONTEXT names, and an error for one that is not there', () => {
    const dir = home(context('colima', 'unix:///c.sock'));
    expect(engineCandidates({ DOCKER_CONTEXT: 'colima' }, dir)).toEqual([
      { host: 'unix:///c.sock', source: 'context colima' },
    ]);
    expect(() => engineCandidates({ DOCKER_CONTEXT: 'gone' }, dir)).toThrow(/no Docker context "gone"/);
  });

  test('the current context first, then the known sockets', () => {
    const dir = home({
      '.docker/config.json': { currentContext: 'orb' },
      ...context('orb', 'unix:///orb.sock'),
    });
    const hosts = engineCandidates({}, dir).map(({ host }) => host);
    expect(hosts[0]).toBe('unix:///orb.sock');
    expect(hosts).toContain('unix:///var/run/docker.sock');
    expect(hosts.some((host) => host.includes('podman'))).toBe(true);
  });
});

describe('subnets', () => {
  // As Linux writes it: 0.0.0.0/0 by eth0, 172.18.0.0/16 by a VPN, 172.19.0.0/16 and 10.213.0.0/24 by bridges.
  const text = [
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'tun0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    'br-1234\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    'docker0\t0000D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    '',
  ].join('\n');

  test('a route of somebody else in the way, and none of the engine’s own', () => {
    expect(routeInTheWay('172.18.4.0/24', routes(text))?.device).toBe('tun0');
    expect(routeInTheWay('172.0.0.0/8', routes(text))?.device).toBe('tun0');
    expect(routeInTheWay('172.19.0.0/16', routes(text))).toBeUndefined();
    expect(routeInTheWay('192.168.0.0/16', routes(text))).toBeUndefined();
  });

  test('the first that is free of both', () => {
    expect(freeSubnet(routes(text))).toBe('10.213.1.0/24');
    expect(freeSubnet([{ device: 'tun0', address: 0x0a000000, mask: 0xff000000 }])).toBeNull();
  });
});

describe('an engine', () => {
  const servers: ReturnType<typeof createServer>[] = [];
  afterAll(() => {
    for (const server of servers) server.close();
  });
  const engineOn = (path: string, version: object) =>
    new Promise<void>((resolve) => {
      const server = createServer((_request, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(version));
      });
      servers.push(server);
      server.listen(path, resolve);
    });

  test('is asked for its version, and spoken to in the newest one both know', async () => {
    const socket = join(folder, 'engine.sock');
    await engineOn(socket, { Version: '29.1.0', ApiVersion: '1.60', MinAPIVersion: '1.44' });
    const { found } = await discoverEngine({ DOCKER_HOST: `unix://${socket}` });
    expect(found).toMatchObject({ product: 'Docker 29.1.0', apiVersion: '1.52', remote: false });
    expect(negotiate('1.41', '1.12', '20.10')).toBe('1.41');
    expect(negotiate('1.60', '1.55', '40')).toBe('1.55');
    expect(() => negotiate('1.40', '1.12', '19.03')).toThrow(/speaks API 1.40; 1.41 is the least/);
  });

  test('that is too old is said to be so', async () => {
    const socket = join(folder, 'old.sock');
    await engineOn(socket, { Version: '18.09', ApiVersion: '1.39' });
    await expect(discoverEngine({ DOCKER_HOST: `unix://${socket}` })).rejects.toMatchObject({
      id: 'docker_too_old',
    });
  });

  test('that is missing, not running, or not permitted: three faults, three remedies', async () => {
    const missing = await discoverEngine({ DOCKER_HOST: `unix://${folder}/none.sock` });
    const dead = createServer();
    const deadSocket = join(folder, 'dead.sock');
    await new Promise<void>((resolve) => dead.listen(deadSocket, resolve));
    // A socket file whose server is gone, as a killed engine leaves it.
    const silent = {
      tried: [
        {
          candidate: { host: `unix://${deadSocket}`, source: 'x' },
          code: 'ECONNREFUSED',
          message: 'refused',
        },
      ],
    };
    dead.close();
    const denied = {
      tried: [
        {
          candidate: { host: 'unix:///var/run/docker.sock', source: "Docker's socket" },
          code: 'EACCES',
          message: 'denied',
        },
      ],
    };
    const errors = [missing as typeof silent, silent, denied].map(({ tried }) => noEngine(tried));
    expect(errors.map(({ id }) => id)).toEqual([
      'docker_not_found',
      'docker_not_running',
      'docker_permission',
    ]);
    expect(new Set(errors.map(({ exitCode }) => exitCode)).size).toBe(3);
    expect(errors[2]!.fix).toContain('usermod -aG docker');
    for (const error of errors) expect(error.fix).toContain('--runtime embedded');
  });
});

test.each([
  [
    'image_network',
    'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
  ],
  ['image_network', 'net/http: request canceled while waiting for connection (Client.Timeout exceeded)'],
  [
    'image_network',
    'Get "https://registry-1.docker.io/v2/": proxyconnect tcp: dial tcp 10.0.0.1:3128: i/o timeout',
  ],
  ['image_rate_limited', 'toomanyrequests: You have reached your pull rate limit.'],
  ['image_not_found', 'manifest for postgres:99 not found: manifest unknown: manifest unknown'],
  ['image_denied', 'Error response from daemon: Head "https://ghcr.io/v2/x/manifests/1": denied: denied'],
  ['image_denied', 'unauthorized: authentication required'],
  ['image_platform', 'no matching manifest for linux/arm64/v8 in the manifest list entries'],
  ['image_pull_failed', 'something that nobody has seen before'],
])('a pull that fails as %s: %s', (id, text) => {
  const error = pullFailure('postgres:18.4', text);
  expect(error.id).toBe(id);
  expect(error.fix).toContain('--runtime embedded');
  expect(error.evidence).toEqual([text]);
});

test.each([
  [
    'process',
    'driver failed: Error starting userland proxy: listen tcp4 127.0.0.1:5433: bind: address already in use',
  ],
  ['container', 'driver failed: Bind for 127.0.0.1:5433 failed: port is already allocated'],
])('a port that a %s holds is found in the engine’s words', (heldBy, text) => {
  expect(conflictingPort(text)).toEqual({ port: 5433, heldBy });
});

test('other words are no port conflict', () => {
  expect(conflictingPort('no space left on device')).toBeNull();
});

describe('the Compose file', () => {
  const compose = readCompose(SECRETS);

  test('publishes on the loopback alone, limits memory and logs, and restarts nothing by itself', () => {
    for (const service of compose.values()) {
      for (const { host } of service.ports) expect(host).toBe('127.0.0.1');
      expect(service.memoryBytes).toBeGreaterThan(0);
      expect(service).toMatchObject({
        init: true,
        restart: 'no',
        logging: { options: { 'max-size': '10m' } },
      });
      if (!service.build) expect(service.image).toMatch(/:v?\d+\.\d+/);
    }
  });

  test('gives PostgreSQL the settings of the embedded runtime', () => {
    const settings = compose.get('postgres')!.command!.filter((word) => word.includes('='));
    expect(Object.fromEntries(settings.map((setting) => setting.split('=')))).toEqual(POSTGRES_SETTINGS);
  });

  test('gives Dragonfly memory for its threads, and the container more than that', () => {
    const { command, memoryBytes } = compose.get('dragonfly')!;
    const flag = (name: string) => command!.find((word) => word.startsWith(`--${name}=`))!.split('=')[1]!;
    expect(bytesOf(flag('maxmemory'))!).toBeGreaterThanOrEqual(
      Number(flag('proactor_threads')) * 256 * 1024 ** 2,
    );
    expect(memoryBytes!).toBeGreaterThan(bytesOf(flag('maxmemory'))!);
  });

  test.each([
    ['services:\n  a:\n    image: x\n    privileged: true\n', /services\.a has the key "privileged"/],
    ['services:\n  a:\n    image: x\nnetworks: {}\n', /the file has the key "networks"/],
    ['services:\n  a:\n    image: x\n    ports: ["8080:80"]\n', /"8080:80" is not ADDRESS:PORT:PORT/],
    ['services:\n  a:\n    image: x\n    volumes: ["./data:/data"]\n', /is not NAME:\/PATH/],
    ['services:\n  a:\n    image: x\n    mem_limit: lots\n', /"lots" is not a size/],
    [`services:\n  a:\n    image: \${WHICH:?which one}\n`, /needs WHICH: which one/],
  ])('what is not understood is an error: %j', (text, message) => {
    const file = join(folder, 'compose.yaml');
    writeFileSync(file, text);
    expect(() => readCompose({}, file)).toThrow(message as RegExp);
  });
});

test('variables follow the Compose specification', () => {
  const of = (text: string) => interpolate(text, { SET: 'v', EMPTY: '' });
  expect(of('$SET ${SET} $$SET')).toBe('v v $SET');
  expect(of('[${EMPTY:-d}] [${EMPTY-d}] [${NONE:-d}] [${NONE-d}] [$NONE]')).toBe('[d] [] [d] [d] []');
  expect(() => of('${EMPTY:?must}')).toThrow(/needs EMPTY: must/);
});

test('sizes and durations', () => {
  expect([bytesOf('512m'), bytesOf('1.5g'), bytesOf(10), bytesOf('x')]).toEqual([
    536870912,
    1610612736,
    10,
    null,
  ]);
  expect([secondsOf('1m30s'), secondsOf('500ms'), secondsOf('5'), secondsOf('5s!')]).toEqual([
    90,
    0.5,
    null,
    null,
  ]);
});

test('both streams of a container come out in order', () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  expect(demultiplex(Buffer.concat([frame(1, 'one\n'), frame(2, 'ü\n'), frame(1, 'three')]))).toBe(
    'one\nü\nthree',
  );
});
