import { Gauge, type Registry } from 'prom-client';

/** What a connection pool says of itself. */
export interface PoolFacts {
  totalCount: number;
  idleCount: number;
  waitingCount: number;
}

export function registerPools(registry: Registry, pools: Record<string, PoolFacts>): void {
  new Gauge({
    name: 'batchsender_postgres_pool_connections',
    help: 'Connections of this process, by pool and state (active, idle; waiting are requests without one)',
    labelNames: ['pool', 'state'],
    registers: [registry],
    collect() {
      for (const [pool, { totalCount, idleCount, waitingCount }] of Object.entries(pools)) {
        this.set({ pool, state: 'active' }, totalCount - idleCount);
        this.set({ pool, state: 'idle' }, idleCount);
        this.set({ pool, state: 'waiting' }, waitingCount);
      }
    },
  });
}
