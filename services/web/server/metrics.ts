import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.5, 1, 5, 30];

export type Metrics = ReturnType<typeof createMetrics>;

/** The dashboard server's own metrics: Node's, and requests by kind, not by path, so there are few series. */
export function createMetrics(version: string) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'batchsender_web_build_info',
    help: 'Version of the dashboard server; always 1',
    labelNames: ['version'] as const,
    registers: [registry],
  }).set({ version }, 1);
  const requests = new Histogram({
    name: 'batchsender_web_request_duration_seconds',
    help: 'Requests by kind (api: passed on to the worker; page: everything else)',
    labelNames: ['kind', 'status'] as const,
    buckets: BUCKETS,
    registers: [registry],
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    observe: (request: FastifyRequest, reply: FastifyReply) => {
      const kind = request.url.startsWith('/api/') ? 'api' : 'page';
      requests.observe({ kind, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
    },
  };
}

export function metricsRoute(app: FastifyInstance, metrics: Metrics): void {
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
}

/**
 * The metrics, and nothing else, on an address of their own (HOST:PORT): a Prometheus in a container does not
 * reach the loopback of its host.
 */
export async function listenForMetrics(address: string, metrics: Metrics): Promise<void> {
  const app = Fastify();
  metricsRoute(app, metrics);
  const separator = address.lastIndexOf(':');
  await app.listen({ host: address.slice(0, separator), port: Number(address.slice(separator + 1)) });
}
