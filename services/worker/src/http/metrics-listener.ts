import Fastify from 'fastify';
import type { Agent } from '../lifecycle.ts';
import { metricsRoutes } from './routes/metrics.ts';

/**
 * The metrics, and nothing else, on an address of their own: a Prometheus in a container does not reach the
 * loopback of its host, and the API should listen nowhere else because of it.
 *
 * @param address host:port
 */
export function metricsListener(
  address: string,
  metrics: () => Promise<{ contentType: string; text: string }>,
): Agent {
  const separator = address.lastIndexOf(':');
  const app = Fastify();
  metricsRoutes(app, { metrics });
  return {
    name: 'metrics listener',
    start: async () => {
      await app.listen({ host: address.slice(0, separator), port: Number(address.slice(separator + 1)) });
    },
    stop: () => app.close(),
  };
}
