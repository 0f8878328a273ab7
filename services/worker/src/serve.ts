import { pino } from 'pino';
import { ClickHouseEvents, createClickHouse } from './adapters/clickhouse/events.ts';
import { SystemDns } from './adapters/dns/dns.ts';
import { DragonflyLimits } from './adapters/dragonfly/limits.ts';
import { NatsLink } from './adapters/nats/connection.ts';
import { NatsDispatch } from './adapters/nats/dispatch.ts';
import { NatsEventQueue } from './adapters/nats/events.ts';
import { PostgresAccounts } from './adapters/postgres/accounts.ts';
import { PostgresBatchCreation } from './adapters/postgres/batch-creation.ts';
import { PostgresBatches } from './adapters/postgres/batches.ts';
import { PostgresChunks } from './adapters/postgres/chunks.ts';
import { PostgresDispatcher } from './adapters/postgres/dispatcher.ts';
import { PostgresImports } from './adapters/postgres/imports.ts';
import { AdvisoryLeadership } from './adapters/postgres/leadership.ts';
import { PostgresLinkActions } from './adapters/postgres/link-actions.ts';
import { PostgresMockInbox } from './adapters/postgres/mock-inbox.ts';
import { Notifications } from './adapters/postgres/notifications.ts';
import { PostgresOutbox } from './adapters/postgres/outbox.ts';
import { PostgresPlanning } from './adapters/postgres/planning.ts';
import { createPool } from './adapters/postgres/pool.ts';
import { PostgresEventQueue, PostgresEventStore } from './adapters/postgres/provider-events.ts';
import { PostgresProviders } from './adapters/postgres/providers.ts';
import { SecretBox } from './adapters/postgres/secret-box.ts';
import { PostgresSeenEvents } from './adapters/postgres/seen-events.ts';
import { PostgresSystemFacts } from './adapters/postgres/system-facts.ts';
import { WorkerRegistry } from './adapters/postgres/worker-registry.ts';
import { providerKinds } from './adapters/providers/kinds.ts';
import { HttpsPages } from './adapters/providers/pages.ts';
import type { Config } from './config.ts';
import { Dependencies } from './dependencies.ts';
import { LinkSigner, PublicLinks } from './domain/links/token.ts';
import { DEFAULT_RETRY_POLICY } from './domain/retry.ts';
import { buildApp } from './http/app.ts';
import { metricsListener } from './http/metrics-listener.ts';
import { type Agent, Lifecycle } from './lifecycle.ts';
import { registerDependencies } from './metrics/dependency-metrics.ts';
import { createMetrics } from './metrics/metrics.ts';
import { registerPools } from './metrics/pool-metrics.ts';
import { registerSystemMetrics } from './metrics/system-metrics.ts';
import { EventTracker } from './pipeline/event-tracker.ts';
import { Planner } from './pipeline/planner.ts';
import { Sender } from './pipeline/sender.ts';
import { Tracker } from './pipeline/tracker.ts';
import { VERSION } from './version.ts';

const API_CONNECTIONS = 10;
/** Claims, settlements and renewals of all lanes share these. */
const PIPELINE_CONNECTIONS = 8;
const API_STATEMENT_TIMEOUT_MS = 30_000;

export interface RunningWorker {
  /** Address of the API, or null without the role. */
  url: string | null;
  stop(): Promise<void>;
}

/** Builds the worker top to bottom for its roles and starts it. */
export async function serve(config: Config & { SECRET_KEY: string }): Promise<RunningWorker> {
  const log = pino({
    level: config.LOG_LEVEL,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['*.password', '*.authorization', 'req.headers'],
  });
  const lifecycle = new Lifecycle(log);
  const onError = (error: Error) => log.warn({ err: error }, 'database connection broke');
  const api = createPool(config.DATABASE_URL, { max: API_CONNECTIONS, name: 'api' }, onError);
  const pipeline = createPool(
    config.DATABASE_URL,
    { max: PIPELINE_CONNECTIONS, name: 'pipeline', statementTimeoutMs: API_STATEMENT_TIMEOUT_MS },
    onError,
  );
  const secrets = new SecretBox(config.SECRET_KEY);
  const metrics = createMetrics({ version: VERSION, roles: config.ROLES });
  const notifications = new Notifications(config.DATABASE_URL, log);
  const signer = new LinkSigner(config.SECRET_KEY);
  const links = config.PUBLIC_URL ? new PublicLinks(config.PUBLIC_URL, signer) : null;
  const registry = new WorkerRegistry(pipeline, config.workerId, config.ROLES, log);
  const kinds = providerKinds(new PostgresMockInbox(pipeline));
  const clickhouse = config.CLICKHOUSE_URL
    ? new ClickHouseEvents(createClickHouse(config.CLICKHOUSE_URL))
    : null;
  const dragonfly = config.REDIS_URL ? new DragonflyLimits(config.REDIS_URL, config.workerId, log) : null;
  const nats = config.NATS_URL ? new NatsLink(config.NATS_URL, config.NATS_REPLICAS) : null;
  const natsDispatch = nats && new NatsDispatch(nats, log);
  const events = nats ? new NatsEventQueue(nats) : new PostgresEventQueue(pipeline);
  const production = config.NODE_ENV === 'production';
  const has = (role: string) => (config.ROLES as string[]).includes(role);

  const sender = new Sender({
    store: new PostgresChunks(pipeline, secrets),
    dispatcher: natsDispatch ?? new PostgresDispatcher(notifications),
    providers: (provider) => kinds[provider.kind]!.create(provider),
    metrics: metrics.sender,
    log,
    owner: config.workerId,
    leaseMs: config.LEASE_MS,
    outbox: clickhouse !== null,
    links,
    retry: { ...DEFAULT_RETRY_POLICY, baseMs: config.RETRY_BASE_MS },
    sharedLimits: dragonfly,
    standing: () => registry.standing(),
    onControl: (listener) => notifications.on('batch_control', listener),
  });
  const dependencies = new Dependencies({
    postgres: { required: true, check: () => api.query('SELECT 1').then(() => {}) },
    ...(clickhouse ? { clickhouse: { required: false, check: () => clickhouse.ping() } } : {}),
    ...(nats ? { nats: { required: false, check: () => nats.ping() } } : {}),
    ...(dragonfly ? { dragonfly: { required: false, check: () => dragonfly.ping() } } : {}),
  });
  registerPools(metrics.registry, { api, pipeline });
  registerDependencies(metrics.registry, () => dependencies.states());
  if (has('planner')) registerSystemMetrics(metrics.registry, new PostgresSystemFacts(api));
  if (has('sender')) metrics.watchRates(() => sender.rates());
  const app = await buildApp({
    accounts: new PostgresAccounts(api, !production),
    batches: new PostgresBatches(api, log),
    creation: new PostgresBatchCreation(api),
    providers: new PostgresProviders(api, secrets),
    imports: new PostgresImports(api),
    intake: events,
    seen: new PostgresSeenEvents(api),
    pages: new HttpsPages(),
    publicUrl: config.PUBLIC_URL?.replace(/\/$/, '') ?? null,
    eventMetrics: metrics.events,
    events: clickhouse,
    kinds,
    dependencies,
    metrics: metrics.text,
    observe: metrics.observeHttp,
    limitOf: (providerId) => sender.limits().get(providerId) ?? null,
    log,
    version: VERSION,
    stackId: config.STACK_ID,
    links,
    linkRoutes: { actions: new PostgresLinkActions(api, clickhouse !== null), signer },
    dns: new SystemDns(config.DNS_SERVERS),
    preflightAbove: config.PREFLIGHT_ABOVE,
    trustProxy: config.TRUST_PROXY,
    production,
  });

  const agents: Agent[] = [
    { name: 'notifications', start: () => notifications.start(), stop: () => notifications.stop() },
    registry,
  ];
  if (has('planner')) {
    const planning = new PostgresPlanning(pipeline, natsDispatch);
    const leadership = new AdvisoryLeadership(config.DATABASE_URL);
    agents.push(
      new Planner(
        planning,
        leadership,
        { wait: (ms, signal) => notifications.wait('planner', ms, signal) },
        metrics.planner,
        log,
      ),
    );
  }
  if (has('tracker'))
    agents.push(
      new EventTracker(events, new PostgresEventStore(pipeline, clickhouse !== null), metrics.events, log),
    );
  if (has('tracker') && clickhouse) agents.push(new Tracker(new PostgresOutbox(pipeline), clickhouse, log));
  if (has('sender') && dragonfly) agents.push(dragonfly);
  if (has('sender')) agents.push(sender);
  let url: string | null = null;
  agents.push({
    name: 'http',
    // Every role serves /health and /api/metrics; the rest of the API answers as well and does no harm.
    start: async () => {
      url = await app.listen({ host: config.HOST, port: config.PORT });
    },
    stop: () => app.close(),
  });
  if (config.METRICS_LISTEN) agents.push(metricsListener(config.METRICS_LISTEN, metrics.text));
  await lifecycle.start(agents);
  log.info({ url, roles: config.ROLES, worker: config.workerId }, 'worker is up');
  return {
    url,
    stop: async () => {
      await lifecycle.stop();
      await Promise.all([clickhouse?.close(), dragonfly?.close(), nats?.close()]);
      await Promise.all([api.end(), pipeline.end()]);
      log.info('worker is down');
    },
  };
}
