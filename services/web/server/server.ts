import proxy from '@fastify/http-proxy';
import files from '@fastify/static';
import Fastify, { type FastifyInstance } from 'fastify';
import { type Metrics, metricsRoute } from './metrics.ts';

export interface ServerOptions {
  workerUrl: string;
  staticDir: string;
  stackId: string;
  version: string;
  metrics: Metrics;
}

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
};

/** The built single-page app, and /api passed on to the worker, so that the browser sees one origin. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: false });
  app.addHook('onSend', async (request, reply) => {
    if (!request.url.startsWith('/api/')) reply.headers(SECURITY_HEADERS);
  });
  const { metrics } = options;
  app.addHook('onResponse', async (request, reply) => metrics.observe(request, reply));
  metricsRoute(app, metrics);
  app.get('/health', async () => ({
    status: 'ok',
    service: 'web',
    version: options.version,
    stackId: options.stackId,
  }));
  await app.register(proxy, {
    upstream: options.workerUrl,
    prefix: '/api',
    rewritePrefix: '/api',
    proxyPayloads: true,
    replyOptions: {
      onError: (reply) => {
        reply.code(502).send({
          error: {
            code: 'worker_unreachable',
            message: 'The worker does not answer.',
            fix: 'batchsender status',
          },
        });
      },
    },
  });
  await app.register(files, { root: options.staticDir });
  // Paths of the single-page app.
  app.setNotFoundHandler((request, reply) =>
    request.method === 'GET' && !request.url.includes('.')
      ? reply.sendFile('index.html')
      : reply.code(404).send({ error: { code: 'route_not_found', message: 'Not found.' } }),
  );
  return app;
}
