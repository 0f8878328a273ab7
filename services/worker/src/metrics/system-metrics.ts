import { Gauge, type Registry } from 'prom-client';
import { StallClock } from '../domain/stalls.ts';
import { LabelLimit } from './label-limit.ts';
import type { SystemFacts, SystemFactsStore } from './system-facts.ts';

/** The route is public: however often it is asked, the database is asked once in this time. */
const FRESH_MS = 4000;
const READ_WITHIN_MS = 3000;
/** Batches that have not moved for a while, each a series. */
const MAX_STALLED = 20;

type Values = [labels: Record<string, string>, value: number][];

interface FactMetric {
  name: string;
  help: string;
  labels: string[];
  values(facts: SystemFacts): Values;
}

const one = (value: number): Values => [[{}, value]];

const FACT_METRICS: FactMetric[] = [
  {
    name: 'batchsender_queue_messages',
    help: 'Messages of open batches without an outcome, by provider and state (queued, sending, deferred)',
    labels: ['provider', 'state'],
    values: ({ queues }) =>
      queues.flatMap(
        ({ provider, queued, sending, deferred }): Values => [
          [{ provider, state: 'queued' }, queued],
          [{ provider, state: 'sending' }, sending],
          [{ provider, state: 'deferred' }, deferred],
        ],
      ),
  },
  {
    name: 'batchsender_queue_oldest_ready_seconds',
    help: 'How long the longest waiting chunk has been ready for a sender; 0 when none waits',
    labels: ['provider'],
    values: ({ queues }) =>
      queues.map(({ provider, oldestReadySeconds }) => [{ provider }, oldestReadySeconds ?? 0]),
  },
  {
    name: 'batchsender_batches',
    help: 'Batches that are on their way, by state (scheduled, sending, paused)',
    labels: ['state'],
    values: ({ batches }) => batches.map(({ state, count }) => [{ state }, count]),
  },
  {
    name: 'batchsender_provider_paused',
    help: '1 while a provider is paused, for instance because it refused our credentials',
    labels: ['provider'],
    values: ({ providers }) => providers.map(({ name, paused }) => [{ provider: name }, paused ? 1 : 0]),
  },
  {
    name: 'batchsender_leases',
    help: 'Chunks that a sender holds now',
    labels: [],
    values: ({ leasedChunks }) => one(leasedChunks),
  },
  {
    name: 'batchsender_uncertain_messages',
    help: 'Messages whose end nobody knows: their sender died between handing them over and writing the outcome',
    labels: [],
    values: ({ uncertain }) => one(uncertain),
  },
  {
    name: 'batchsender_outbox_rows',
    help: 'Windows of events on their way to ClickHouse',
    labels: [],
    values: ({ outbox }) => one(outbox.rows),
  },
  {
    name: 'batchsender_outbox_oldest_seconds',
    help: 'Age of the oldest of them; 0 when there are none',
    labels: [],
    values: ({ outbox }) => one(outbox.oldestSeconds),
  },
  {
    name: 'batchsender_workers',
    help: 'Processes that were heard of in the last 10 s, by role',
    labels: ['role'],
    values: ({ workers }) => workers.map(({ role, count }) => [{ role }, count]),
  },
  {
    name: 'batchsender_postgres_connections',
    help: 'Connections of all programs to PostgreSQL',
    labels: [],
    values: ({ database }) => one(database.connections),
  },
  {
    name: 'batchsender_postgres_max_connections',
    help: 'What PostgreSQL allows (max_connections)',
    labels: [],
    values: ({ database }) => one(database.maxConnections),
  },
  {
    name: 'batchsender_postgres_database_bytes',
    help: 'Size of the database on disk',
    labels: [],
    values: ({ database }) => one(database.bytes),
  },
  {
    name: 'batchsender_postgres_oldest_transaction_seconds',
    help: 'Age of the longest open transaction; while it is open, vacuum frees nothing newer',
    labels: [],
    values: ({ database }) => one(database.oldestTransactionSeconds),
  },
];

/** Facts that processes with the planner's role expose; use max() over processes, they all say the same. */
export function registerSystemMetrics(registry: Registry, store: SystemFactsStore): void {
  const facts = freshFacts(store);
  const limits = new Map(FACT_METRICS.map((metric) => [metric.name, new LabelLimit()]));
  for (const metric of FACT_METRICS) {
    const labels = limits.get(metric.name)!;
    new Gauge({
      name: metric.name,
      help: metric.help,
      labelNames: metric.labels,
      registers: [registry],
      async collect() {
        const known = await facts();
        this.reset();
        for (const [given, value] of known ? metric.values(known) : [])
          this.set(given.provider ? { ...given, provider: labels.of(given.provider) } : given, value);
      },
    });
  }
  registerStalls(registry, facts);
  new Gauge({
    name: 'batchsender_facts_readable',
    help: '0 when PostgreSQL could not be asked for the gauges above; they are absent then',
    registers: [registry],
    async collect() {
      this.set((await facts()) ? 1 : 0);
    },
  });
}

function registerStalls(registry: Registry, facts: () => Promise<SystemFacts | null>): void {
  const clock = new StallClock();
  new Gauge({
    name: 'batchsender_batch_stalled_seconds',
    help: `How long a batch with messages in its queue has made no progress although nothing holds it; at most ${MAX_STALLED} batches`,
    labelNames: ['batch', 'provider'],
    registers: [registry],
    async collect() {
      const known = await facts();
      if (!known) return;
      this.reset();
      const stalled = clock.observe(known.open, performance.now());
      const longest = known.open
        .map((batch) => ({ batch, seconds: stalled.get(batch.id)! }))
        .sort((a, b) => b.seconds - a.seconds);
      for (const { batch, seconds } of longest.slice(0, MAX_STALLED))
        this.set({ batch: batch.id, provider: batch.provider }, seconds);
    },
  });
}

/** Null when the database does not answer in time. */
function freshFacts(store: SystemFactsStore): () => Promise<SystemFacts | null> {
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<SystemFacts | null> = Promise.resolve(null);
  return () => {
    if (performance.now() - readAt < FRESH_MS) return reading;
    readAt = performance.now();
    const late = new Promise<null>((resolve) => {
      setTimeout(() => resolve(null), READ_WITHIN_MS).unref();
    });
    reading = Promise.race([store.read().catch(() => null), late]);
    return reading;
  };
}
