import { setTimeout as sleep } from 'node:timers/promises';
import { WINDOW } from '../src/pipeline/chunk-run.ts';
import { CHUNKS_PER_LANE } from '../src/pipeline/sender.ts';
import { type ChildWorker, spawnWorker } from '../test/support/child-worker.ts';
import { csv } from '../test/support/worker.ts';
import type { FaultStack } from './fault-stack.ts';
import type { Scenario } from './scenarios.ts';
import { type Sink, startHttpSink, startSmtpSink } from './sinks.ts';

export interface FaultResult {
  fault: string;
  messages: number;
  lost: number;
  duplicated: number;
  replayed: number;
  uncertain: number;
  /** From the end of the fault to the next arrival; null when nothing was interrupted. */
  recoverySeconds: number | null;
  seconds: number;
  /** Empty when everything promised was kept. */
  broken: string[];
}

const COMPLETE_WITHIN_MS = 120_000;
const PER_SECOND = 1500;
const EVENTS_WITHIN_MS = 30_000;

interface Batch {
  id: string;
  state: string;
  total: number;
  counts: Record<string, number>;
}

/** One fault: a batch on its way while something breaks, counted at the receiving end. */
export class Run {
  readonly count: number;
  readonly stack: FaultStack;
  private readonly scenario: Scenario;
  private readonly env: Record<string, string>;
  private sink!: Sink;
  private api!: ChildWorker;
  private readonly senders: ChildWorker[] = [];
  private batchId = '';
  private readonly broken: string[] = [];

  constructor(scenario: Scenario, count: number, stack: FaultStack, env: Record<string, string>) {
    this.scenario = scenario;
    this.count = count;
    this.stack = stack;
    this.env = env;
  }

  async play(): Promise<FaultResult> {
    const began = performance.now();
    const { scenario } = this;
    this.sink = scenario.smtp
      ? await startSmtpSink(scenario.smtp)
      : await startHttpSink(scenario.http === 'plain' ? undefined : scenario.http);
    try {
      await this.startApi();
      await this.startSender();
      await this.createBatch();
      await scenario.before?.(this);
      await this.api.api('POST', `/api/batches/${this.batchId}/send`);
      const acted = scenario.act?.(this).then(() => this.recovery());
      const batch = await this.untilCompleted();
      const recoverySeconds = (await acted) ?? null;
      await scenario.after?.(this);
      return {
        ...this.verdict(batch),
        recoverySeconds,
        seconds: (performance.now() - began) / 1000,
        broken: this.broken,
      };
    } finally {
      await Promise.all([this.api, ...this.senders].map((worker) => worker?.stop()));
      await this.sink.close();
    }
  }

  async startApi(): Promise<void> {
    this.api = await spawnWorker(this.env.DATABASE_URL!, { ...this.env, ROLES: 'api,planner,tracker' });
  }

  async killApi(): Promise<void> {
    this.api.signal('SIGKILL');
    await this.api.ended;
  }

  async startSender(): Promise<void> {
    this.senders.push(await spawnWorker(this.env.DATABASE_URL!, { ...this.env, ROLES: 'sender' }));
  }

  async killSender(): Promise<void> {
    const sender = this.senders.at(-1)!;
    sender.signal('SIGKILL');
    await sender.ended;
  }

  signalSender(signal: NodeJS.Signals): void {
    this.senders.at(-1)!.signal(signal);
  }

  signalOldest(signal: NodeJS.Signals): void {
    this.senders[0]!.signal(signal);
  }

  async untilArrived(count: number): Promise<void> {
    const deadline = Date.now() + COMPLETE_WITHIN_MS;
    while (this.sink.total() < count && Date.now() < deadline) await sleep(10);
  }

  /** ClickHouse tells of exactly as many sent messages as were sent. */
  async expectEvents(): Promise<void> {
    const deadline = Date.now() + EVENTS_WITHIN_MS;
    for (;;) {
      const { body } = await this.api
        .api<{ items?: { type: string; count: number }[] }>(
          'GET',
          `/api/analytics/events?batch=${this.batchId}&step=3600`,
        )
        .catch(() => ({ body: {} as { items?: { type: string; count: number }[] } }));
      const sent =
        body.items?.filter((one) => one.type === 'sent').reduce((sum, one) => sum + one.count, 0) ?? 0;
      if (sent === this.count) return;
      if (Date.now() > deadline) {
        this.broken.push(`${sent} events of ${this.count}`);
        return;
      }
      await sleep(250);
    }
  }

  private async createBatch(): Promise<void> {
    const { port } = this.sink;
    const name = `fault-${Date.now()}`;
    const provider = this.scenario.smtp
      ? {
          name,
          kind: 'smtp',
          settings: { host: '127.0.0.1', port, tls: 'off' },
          limits: { perSecond: PER_SECOND },
        }
      : {
          name,
          kind: 'webhook',
          settings: {
            url: `http://127.0.0.1:${port}/`,
            idempotent: this.scenario.idempotent,
            timeoutMs: 1000,
          },
          limits: { perSecond: PER_SECOND },
        };
    await this.api.api('POST', '/api/providers', provider);
    const { body } = await this.api.api<Batch>('POST', '/api/batches', {
      name,
      provider: name,
      from: 'news@example.com',
      template: { subject: 'Hello {{ name }}', text: 'Hello {{ name }}' },
    });
    this.batchId = body.id;
    await this.api.api('POST', `/api/batches/${body.id}/recipients`, csv(this.count));
  }

  private async recovery(): Promise<number> {
    const began = performance.now();
    const before = this.sink.total();
    while (
      this.sink.total() === before &&
      performance.now() - began < COMPLETE_WITHIN_MS &&
      before < this.count
    )
      await sleep(5);
    return (performance.now() - began) / 1000;
  }

  /** At every look the states add up. The API may be away for a while: that is one of the faults. */
  private async untilCompleted(): Promise<Batch> {
    const deadline = Date.now() + COMPLETE_WITHIN_MS;
    for (;;) {
      const batch = await this.look();
      if (batch?.state === 'completed') return batch;
      if (Date.now() > deadline) {
        this.broken.push(
          `not completed within ${COMPLETE_WITHIN_MS / 1000} s: ${JSON.stringify(batch?.counts)}`,
        );
        return batch ?? { id: this.batchId, state: 'unknown', total: this.count, counts: {} };
      }
      await sleep(100);
    }
  }

  private async look(): Promise<Batch | null> {
    const answer = await this.api.api<Batch>('GET', `/api/batches/${this.batchId}`).catch(() => null);
    if (answer?.status !== 200) return null;
    const sum = Object.values(answer.body.counts).reduce((a, b) => a + b, 0);
    if (sum !== this.count) this.broken.push(`states add up to ${sum}`);
    return answer.body;
  }

  private verdict(batch: Batch): Omit<FaultResult, 'recoverySeconds' | 'seconds' | 'broken'> {
    const { scenario, count } = this;
    const arrivals = this.sink.arrivals();
    const extra = [...arrivals.values()].reduce((sum, times) => sum + times - 1, 0);
    const { failed = 0, uncertain = 0 } = batch.counts;
    const refused = Math.round((count * (scenario.refusedPerMille ?? 0)) / 1000);
    const lost = Math.max(
      0,
      count -
        arrivals.size -
        (scenario.refusedPerMille ? failed : 0) -
        (scenario.mayBeUncertain ? uncertain : 0),
    );
    const duplicated = scenario.idempotent ? 0 : extra;
    if (lost > 0) this.broken.push(`${lost} lost`);
    if (extra > scenario.crashes * WINDOW * CHUNKS_PER_LANE + (scenario.idempotent ? 64 : 0))
      this.broken.push(`${extra} arrived again`);
    if (!scenario.mayBeUncertain && uncertain > 0) this.broken.push(`${uncertain} uncertain`);
    if (refused === 0 ? failed > 0 : Math.abs(failed - refused) > refused / 2)
      this.broken.push(`${failed} failed, ${refused} refused`);
    return {
      fault: scenario.name,
      messages: count,
      lost,
      duplicated,
      replayed: scenario.idempotent ? extra : 0,
      uncertain,
    };
  }
}
