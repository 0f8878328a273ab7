import { Gauge, type Registry } from 'prom-client';

/** Whether each dependency answers; the same checks as /health/ready. */
export function registerDependencies(
  registry: Registry,
  states: () => Promise<Record<string, string>>,
): void {
  new Gauge({
    name: 'batchsender_dependency_up',
    help: '1 when the dependency answers this process (postgres, clickhouse, nats, dragonfly)',
    labelNames: ['dependency'],
    registers: [registry],
    async collect() {
      for (const [dependency, state] of Object.entries(await states()))
        this.set({ dependency }, state === 'ok' ? 1 : 0);
    },
  });
}
