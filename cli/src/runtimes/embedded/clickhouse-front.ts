import { mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { createGunzip } from 'node:zlib';

/**
 * ClickHouse's engine as a library (chDB) behind enough of ClickHouse's HTTP interface for the official
 * client: /ping, queries with parameters, inserts, typed errors. One process, one data folder.
 */
interface ChdbSession {
  queryAsync(query: string, options?: { format?: string }): Promise<{ text(): string }>;
  queryBindAsync(query: string, params: object, options?: { format?: string }): Promise<{ text(): string }>;
  close(): void;
}

const { Session } = createRequire(import.meta.url)('chdb') as { Session: new (path: string) => ChdbSession };

/** The loopback, unless it runs in a container of its own. */
const host = process.env.CLICKHOUSE_FRONT_HOST ?? '127.0.0.1';
const port = Number(process.env.CLICKHOUSE_FRONT_PORT);
const data = process.env.CLICKHOUSE_FRONT_DATA!;
const credentials = `${process.env.CLICKHOUSE_FRONT_USER}:${process.env.CLICKHOUSE_FRONT_PASSWORD}`;
const MAX_BODY_BYTES = 512 * 1024 * 1024;

mkdirSync(data, { recursive: true });
const session = new Session(data);
let queue: Promise<unknown> = Promise.resolve();

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => refuse(response, error));
});
server.listen(port, host, () => process.stdout.write(`listening on ${host}:${port}, data in ${data}\n`));

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close();
    server.closeIdleConnections();
    queue.finally(() => {
      session.close();
      process.exit(0);
    });
  });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  if (url.pathname === '/ping') {
    response.end('Ok.\n');
    return;
  }
  if (!authorized(request, url)) {
    response.writeHead(403, { 'X-ClickHouse-Exception-Code': '516' });
    response.end('Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)\n');
    return;
  }
  const body = await readBody(request);
  const inUrl = url.searchParams.get('query');
  const query = inUrl ? `${inUrl}${body ? `\n${body}` : ''}` : body;
  const format = url.searchParams.get('default_format') ?? 'TabSeparated';
  const text = await serialized(() => run(query, parameters(url), format));
  response.writeHead(200, {
    'X-ClickHouse-Summary': '{}',
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Format': format,
  });
  response.end(text);
}

/** The library runs one query at a time well; the front keeps the order. */
function serialized<T>(work: () => Promise<T>): Promise<T> {
  const result = queue.then(work);
  queue = result.catch(() => {});
  return result;
}

async function run(query: string, params: Record<string, unknown>, format: string): Promise<string> {
  const result =
    Object.keys(params).length > 0
      ? await session.queryBindAsync(query, params, { format })
      : await session.queryAsync(query, { format });
  return result.text();
}

/** `param_name=value` of the URL. */
function parameters(url: URL): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of url.searchParams)
    if (name.startsWith('param_')) found[name.slice('param_'.length)] = value;
  return found;
}

function authorized(request: IncomingMessage, url: URL): boolean {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const given = basic
    ? Buffer.from(basic, 'base64').toString()
    : `${request.headers['x-clickhouse-user'] ?? url.searchParams.get('user')}:${request.headers['x-clickhouse-key'] ?? url.searchParams.get('password')}`;
  return given === credentials;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const stream = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BODY_BYTES)
      throw new Error('Code: 241. DB::Exception: The request is too large for the embedded engine');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refuse(response: ServerResponse, error: unknown): void {
  const { message, clickhouseCode } = error as Error & { clickhouseCode?: number };
  const code = clickhouseCode ?? Number(/Code: (\d+)/.exec(message)?.[1] ?? 1002);
  if (!response.headersSent)
    response.writeHead(code === 60 ? 404 : 400, {
      'X-ClickHouse-Exception-Code': String(code),
      'Content-Type': 'text/plain; charset=UTF-8',
    });
  response.end(message.startsWith('Code:') ? `${message}\n` : `Code: ${code}. DB::Exception: ${message}\n`);
}
