import { statfs } from 'node:fs/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { MESSAGE_STATE_NAMES } from '../domain/message-state.ts';
import { PROVIDER_EVENT_TYPES } from '../domain/provider-event.ts';
import type {
  EventMetrics,
  LaneRate,
  PlannerMetrics,
  RetryClass,
  SenderMetrics,
} from '../pipeline/metrics.ts';
import { LabelLimit } from './label-limit.ts';
import { RateMeter } from './rate-meter.ts';

const HTTP_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.5, 1, 5, 30];
/** From a provider on the same machine to one that is close to its timeout, seconds. */
const SEND_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const RETRY_CLASSES: RetryClass[] = ['temporary', 'rate_limited', 'connection_lost'];

export interface BuildFacts {
  version: string;
  roles: string[];
}

/** Every metric that a worker counts itself; names follow Prometheus' conventions. */
export function createMetrics(build: BuildFacts) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const providers = new LabelLimit();
  const counters = senderCounters(registry);
  const events = eventCounters(registry);
  const meters = new Map<string, RateMeter>();
  const http = new Histogram({
    name: 'batchsender_http_request_duration_seconds',
    help: 'HTTP requests by route',
    labelNames: ['route', 'method', 'status'] as const,
    buckets: HTTP_BUCKETS,
    registers: [registry],
  });
  new Gauge({
    name: 'batchsender_build_info',
    help: 'Version and roles of this process; always 1',
    labelNames: ['version', 'node', 'roles'] as const,
    registers: [registry],
  }).set({ version: build.version, node: process.versions.node, roles: build.roles.join(',') }, 1);
  diskGauges(registry);
  const sender: SenderMetrics = {
    settled: (provider, channel, state, count) =>
      counters.messages.inc({ provider: providers.of(provider), channel, state }, count),
    retried: (provider, reason, count) =>
      counters.retries.inc({ provider: providers.of(provider), class: reason }, count),
    leaseLost: () => counters.leasesLost.inc(),
    sendTimer: (provider) => {
      const label = providers.of(provider);
      const meter = meters.get(label) ?? new RateMeter();
      meters.set(label, meter);
      const { observe } = counters.sends.labels(label);
      return (seconds) => {
        meter.add();
        observe(seconds);
      };
    },
  };
  const planner: PlannerMetrics = { leasesExpired: (count) => counters.leasesExpired.inc(count) };
  const eventMetrics: EventMetrics = {
    eventReceived: (type) => events.received.inc({ type }),
    eventsUnmatched: (count) => events.unmatched.inc(count),
  };
  return {
    registry,
    sender,
    planner,
    events: eventMetrics,
    /** Registers the gauges of the lanes' speed. */
    watchRates: (rates: () => LaneRate[]) => rateGauges(registry, providers, meters, rates),
    observeHttp: (route: string, method: string, status: number, seconds: number) =>
      http.observe({ route, method, status: String(status) }, seconds),
    text: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

function senderCounters(registry: Registry) {
  const registers = [registry];
  const messages = new Counter({
    name: 'batchsender_messages_total',
    help: `Outcomes written, by the state the message went to (${MESSAGE_STATE_NAMES.slice(2).join(', ')})`,
    labelNames: ['provider', 'channel', 'state'] as const,
    registers,
  });
  const retries = new Counter({
    name: 'batchsender_retries_total',
    help: `Messages that are to be tried again, by class (${RETRY_CLASSES.join(', ')})`,
    labelNames: ['provider', 'class'] as const,
    registers,
  });
  const sends = new Histogram({
    name: 'batchsender_send_duration_seconds',
    help: 'Time from handing a message to the provider until its answer; the count is the number of hand-overs',
    labelNames: ['provider'] as const,
    buckets: SEND_BUCKETS,
    registers,
  });
  const leasesLost = new Counter({
    name: 'batchsender_leases_lost_total',
    help: 'Chunks that this sender lost to another one: nothing was written for them',
    registers,
  });
  const leasesExpired = new Counter({
    name: 'batchsender_leases_expired_total',
    help: 'Chunks given back by the planner because their sender no longer renewed the lease',
    registers,
  });
  return { messages, retries, sends, leasesLost, leasesExpired };
}

function eventCounters(registry: Registry) {
  const received = new Counter({
    name: 'batchsender_provider_events_total',
    help: `Events that providers sent to /webhooks, by type (${PROVIDER_EVENT_TYPES.join(', ')})`,
    labelNames: ['type'] as const,
    registers: [registry],
  });
  for (const type of PROVIDER_EVENT_TYPES) received.inc({ type }, 0);
  const unmatched = new Counter({
    name: 'batchsender_provider_events_unmatched_total',
    help: 'Events whose message is not ours or does not exist; acknowledged and dropped',
    registers: [registry],
  });
  return { received, unmatched };
}

function rateGauges(
  registry: Registry,
  providers: LabelLimit,
  meters: Map<string, RateMeter>,
  rates: () => LaneRate[],
): void {
  const labelNames = ['provider'] as const;
  const gauge = (
    name: string,
    help: string,
    fill: (set: (provider: string, value: number) => void) => void,
  ) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        fill((provider, value) => this.inc({ provider: providers.of(provider) }, value));
      },
    });
  gauge(
    'batchsender_rate_target_per_second',
    'Limit of the provider as configured; absent without one',
    (set) => {
      for (const { provider, target } of rates()) if (target !== null) set(provider, target);
    },
  );
  gauge(
    'batchsender_rate_allowed_per_second',
    'What this process may send now: its part of the limit, lowered while the provider says "too fast"; absent without a limit',
    (set) => {
      for (const { provider, allowed } of rates()) if (allowed !== null) set(provider, allowed);
    },
  );
  gauge(
    'batchsender_rate_actual_per_second',
    'Hand-overs per second by this process, over the last 10 s',
    (set) => {
      for (const [provider, meter] of meters) set(provider, meter.perSecond());
    },
  );
}

/** Of the file system this process works on; with the embedded runtime that is the engines' too. */
function diskGauges(registry: Registry): void {
  new Gauge({
    name: 'batchsender_disk_free_bytes',
    help: 'Space left on the file system of the working folder',
    registers: [registry],
    async collect() {
      const { bavail, bsize } = await statfs('.');
      this.set(bavail * bsize);
    },
  });
  new Gauge({
    name: 'batchsender_disk_size_bytes',
    help: 'Size of that file system',
    registers: [registry],
    async collect() {
      const { blocks, bsize } = await statfs('.');
      this.set(blocks * bsize);
    },
  });
}
