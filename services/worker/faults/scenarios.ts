import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerBehaviour } from '../test/support/smtp-peer.ts';
import type { Engine } from './fault-stack.ts';
import type { Run } from './run.ts';
import type { HttpBehaviour } from './sinks.ts';

export interface Scenario {
  name: string;
  /** Engines beside PostgreSQL; the scenario is skipped when one is not installed. */
  engines?: Engine[];
  http?: HttpBehaviour | 'plain';
  smtp?: PeerBehaviour;
  /** The sink honours Idempotency-Key: second arrivals are replays. Otherwise they are duplicates. */
  idempotent: boolean;
  /** Sender crashes, each of which may repeat what was in flight. */
  crashes: number;
  /** Refused for good by the sink, of 1,000. */
  refusedPerMille?: number;
  /** The outcome of some messages cannot be known; they end as uncertain and may have arrived. */
  mayBeUncertain?: boolean;
  /** Done while the batch is under way; what comes after is the recovery. */
  act?(run: Run): Promise<void>;
  /** Before the batch is sent, and after it has completed. */
  before?(run: Run): Promise<void>;
  after?(run: Run): Promise<void>;
}

const STOPPED_FOR_MS = 5000;

function answer(status: number, text: string, headers: Record<string, string> = {}): HttpBehaviour {
  return (_seen, response) => void response.writeHead(status, headers).end(text);
}

const ok: HttpBehaviour = (_seen, response, take) => {
  take();
  response.end('{}');
};

/** `bad` for messages from..to in order of arrival, fine before and after. */
function between(from: number, to: number, bad: HttpBehaviour): HttpBehaviour {
  return (seen, response, take) => (seen >= from && seen < to ? bad : ok)(seen, response, take);
}

async function killSender(run: Run, times: number): Promise<void> {
  for (let i = 1; i <= times; i++) {
    await run.untilArrived(Math.floor((run.count * i) / (times + 2)));
    await run.killSender();
    await run.startSender();
  }
}

/** kill -9 of the server, its data kept or deleted, and up again. */
const restart =
  (engine: Engine, signal: NodeJS.Signals, downMs: number, forget = false) =>
  async (run: Run) => {
    await run.untilArrived(run.count / 5);
    run.stack.kill(engine, signal);
    if (forget) run.stack.removeData(engine);
    await sleep(downMs);
    run.stack.up();
  };

export const SCENARIOS: Scenario[] = [
  {
    name: 'kill -9 a sender, 10 times',
    http: 'plain',
    idempotent: true,
    crashes: 10,
    act: (run) => killSender(run, 10),
  },
  {
    name: 'kill -9 a sender, sink without keys',
    http: 'plain',
    idempotent: false,
    crashes: 3,
    act: (run) => killSender(run, 3),
  },
  {
    name: 'kill -9 api and planner',
    http: 'plain',
    idempotent: true,
    crashes: 0,
    act: async (run) => {
      await run.untilArrived(run.count / 5);
      await run.killApi();
      await run.untilArrived(run.count / 2);
      await run.startApi();
    },
  },
  {
    name: 'SIGSTOP a sender beyond its lease, SIGCONT',
    http: 'plain',
    idempotent: true,
    crashes: 1,
    act: async (run) => {
      await run.untilArrived(run.count / 5);
      run.signalSender('SIGSTOP');
      await run.startSender();
      await sleep(STOPPED_FOR_MS);
      run.signalOldest('SIGCONT');
    },
  },
  {
    name: 'PostgreSQL stopped at once, and back',
    http: 'plain',
    idempotent: true,
    crashes: 0,
    act: restart('postgres', 'SIGQUIT', 500),
  },
  {
    name: 'nats-server kill -9, and back',
    engines: ['nats'],
    http: 'plain',
    idempotent: true,
    crashes: 0,
    act: restart('nats', 'SIGKILL', 500),
  },
  {
    name: 'nats-server kill -9, its store deleted',
    engines: ['nats'],
    http: 'plain',
    idempotent: true,
    crashes: 0,
    act: restart('nats', 'SIGKILL', 500, true),
  },
  {
    name: 'Redis gone for a while',
    engines: ['dragonfly'],
    http: 'plain',
    idempotent: true,
    crashes: 0,
    act: restart('dragonfly', 'SIGKILL', 3000),
  },
  {
    name: 'ClickHouse down for the whole batch',
    engines: ['clickhouse'],
    http: 'plain',
    idempotent: true,
    crashes: 0,
    before: async (run) => run.stack.kill('clickhouse', 'SIGKILL'),
    after: async (run) => {
      run.stack.up();
      await run.expectEvents();
    },
  },
  { name: 'sink answers 503', http: between(200, 500, answer(503, 'down')), idempotent: true, crashes: 0 },
  {
    name: 'sink answers 429 with Retry-After',
    http: between(200, 300, answer(429, 'slow down', { 'retry-after': '1' })),
    idempotent: true,
    crashes: 0,
  },
  {
    name: 'sink hangs beyond the timeout',
    http: between(200, 230, (_seen, _response, take) => take()),
    idempotent: true,
    crashes: 0,
  },
  {
    name: 'sink resets after reading',
    http: between(200, 260, (_seen, response, take) => {
      take();
      response.socket?.resetAndDestroy();
    }),
    idempotent: true,
    crashes: 0,
  },
  {
    name: 'sink is slow to answer',
    http: between(200, 300, (seen, response, take) => {
      take();
      setTimeout(() => response.end('{}'), 500 + (seen % 7) * 40);
    }),
    idempotent: true,
    crashes: 0,
  },
  {
    name: 'one bad recipient in each window',
    http: (seen, response, take) =>
      seen % 50 === 0 ? answer(422, 'no')(seen, response, take) : ok(seen, response, take),
    idempotent: true,
    crashes: 0,
    refusedPerMille: 20,
  },
  {
    name: 'SMTP: 421 mid-pool',
    smtp: {
      onEnd: (_mail, count) =>
        count > 0 && count % 97 === 0 && Math.random() < 0.5 ? '421 4.3.2 closing' : null,
    },
    idempotent: false,
    crashes: 0,
  },
  {
    name: 'SMTP: 451 for a while',
    smtp: { onEnd: (_mail, count) => (count >= 200 && Math.random() < 0.1 ? '451 4.3.0 try again' : null) },
    idempotent: false,
    crashes: 0,
  },
  {
    name: 'SMTP: connection dropped after DATA',
    smtp: { onEnd: (_mail, count) => (count > 0 && count % 101 === 0 ? 'drop' : null) },
    idempotent: false,
    crashes: 0,
    mayBeUncertain: true,
  },
  {
    name: 'SMTP: one bad recipient in each window',
    smtp: { onRcpt: (to) => (/[05]0@/.test(to) ? '550 5.1.1 User unknown' : null) },
    idempotent: false,
    crashes: 0,
    refusedPerMille: 20,
  },
];
