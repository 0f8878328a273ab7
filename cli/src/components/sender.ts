import type { Component } from './component.ts';
import { probeHealth, WORKER_MAIN, WORKER_NODE_FLAGS, workerEnv } from './worker.ts';

/** Ports of the additional senders' health and metrics: the worker's is 6001. */
const FIRST_PORT = 6011;

/** Additional sender processes, number 2 and up; the worker itself is the first. */
export function additionalSenders(senders: number): Component[] {
  return Array.from({ length: Math.max(0, senders - 1) }, (_, i) => sender(i + 2));
}

function sender(number: number): Component {
  return {
    name: `sender-${number}`,
    title: `Sender ${number}`,
    kind: 'service',
    ports: { '': FIRST_PORT + number - 2 },
    needs: ['worker'],
    readyWithinMs: 30_000,
    memoryMib: 160,
    locate: () => ({ present: true, how: 'sends only' }),
    launch: (context) => ({
      program: process.execPath,
      args: [...WORKER_NODE_FLAGS, WORKER_MAIN, 'serve'],
      env: { ...workerEnv(context), ROLES: 'sender' },
      cwd: context.stack.dir,
      files: [WORKER_MAIN],
    }),
    probe: (context) => probeHealth(context, `http://127.0.0.1:${context.port()}/health/ready`),
    url: (context) => `http://127.0.0.1:${context.port()}`,
  };
}
