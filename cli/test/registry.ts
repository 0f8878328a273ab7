import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';

/** How the registry answers, as real ones do: https://distribution.github.io/distribution/spec/api/ */
export type RegistryMood = 'serving' | 'denied' | 'limited' | 'missing' | 'foreign';

export interface TestRegistry {
  /** "127.0.0.1:PORT": engines take registries on the loopback without TLS. */
  host: string;
  mood: RegistryMood;
  /** Paths that were asked for. */
  asked: string[];
  close(): void;
}

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;
const OTHER_ARCHITECTURE = ARCHITECTURE === 'arm64' ? 'amd64' : 'arm64';
/** The layer comes in this many pieces with a pause between, so that progress can be seen. */
const PIECES = 12;
const PAUSE_MS = 150;

const REFUSALS: Partial<Record<RegistryMood, [number, string, string]>> = {
  denied: [401, 'UNAUTHORIZED', 'authentication required'],
  limited: [429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.'],
  missing: [404, 'MANIFEST_UNKNOWN', 'manifest unknown'],
};

/** A registry with one image under every name: a program of this machine with the libraries it needs. */
export async function startRegistry(program: string): Promise<TestRegistry> {
  const image = await imageOf(program);
  const registry: TestRegistry = { host: '', mood: 'serving', asked: [], close: () => server.close() };
  const server = createServer((request, response) => {
    const path = request.url!;
    registry.asked.push(path);
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    if (path === '/v2/') return void response.end('{}');
    const refusal = REFUSALS[registry.mood];
    if (refusal) return refuse(response, ...refusal);
    const blob = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1];
    if (blob) return void sendSlowly(response, image.blobs.get(blob)!);
    const list = registry.mood === 'foreign';
    const body = list ? image.foreignList : image.manifest;
    response.setHeader('content-type', list ? MANIFEST_LIST : MANIFEST);
    response.setHeader('docker-content-digest', digest(body));
    response.setHeader('content-length', body.length);
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  registry.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return registry;
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

async function sendSlowly(response: ServerResponse, body: Buffer): Promise<void> {
  response.setHeader('content-length', body.length);
  const size = Math.ceil(body.length / PIECES);
  for (let at = 0; at < body.length; at += size) {
    response.write(body.subarray(at, at + size));
    if (body.length > 1_000_000) await sleep(PAUSE_MS);
  }
  response.end();
}

async function imageOf(program: string) {
  const layer = await layerOf([program, ...librariesOf(program)]);
  const config = Buffer.from(
    JSON.stringify({
      architecture: ARCHITECTURE,
      os: 'linux',
      config: { Entrypoint: [program] },
      rootfs: { type: 'layers', diff_ids: [digest(layer)] },
      history: [{ created_by: 'test' }],
    }),
  );
  const describe = (mediaType: string, body: Buffer) => ({
    mediaType,
    size: body.length,
    digest: digest(body),
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: describe('application/vnd.docker.container.image.v1+json', config),
      layers: [describe('application/vnd.docker.image.rootfs.diff.tar.gzip', layer)],
    }),
  );
  const foreignList = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_LIST,
      manifests: [
        { ...describe(MANIFEST, manifest), platform: { os: 'linux', architecture: OTHER_ARCHITECTURE } },
      ],
    }),
  );
  const blobs = new Map([layer, config].map((body) => [digest(body), body]));
  return { manifest, foreignList, blobs };
}

async function layerOf(files: string[]): Promise<Buffer> {
  const archive = pack();
  for (const path of files)
    archive.entry({ name: path.slice(1), mode: 0o755 }, readFileSync(realpathSync(path)));
  archive.finalize();
  return buffer(archive);
}

function librariesOf(program: string): string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
}

function digest(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
