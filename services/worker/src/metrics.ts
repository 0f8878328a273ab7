import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { SenderMetrics } from './pipeline/metrics.ts';

/** Every metric of the worker; names follow Prometheus' conventions and are documented in docs/metrics.md. */
export function createMetrics(version: string) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const messages = new Counter({
    name: 'batchsender_messages_total',
    help: 'Messages settled, by the state they went to',
    labelNames: ['provider', 'channel', 'state'] as const,
    registers: [registry],
  });
  const leasesLost = new Counter({
    name: 'batchsender_leases_lost_total',
    help: 'Chunks whose lease was taken over',
    registers: [registry],
  });
  const http = new Histogram({
    name: 'batchsender_http_request_duration_seconds',
    help: 'HTTP requests by route',
    labelNames: ['route', 'method', 'status'] as const,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.5, 1, 5, 30],
    registers: [registry],
  });
  new Gauge({
    name: 'batchsender_build_info',
    help: 'Version',
    labelNames: ['version'] as const,
    registers: [registry],
  }).set({ version }, 1);
  const sender: SenderMetrics = {
    settled: (provider, channel, state) => messages.inc({ provider, channel, state }),
    leaseLost: () => leasesLost.inc(),
  };
  return {
    sender,
    observeHttp: (route: string, method: string, status: number, seconds: number) =>
      http.observe({ route, method, status: String(status) }, seconds),
    text: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
