import { clickhouse } from './clickhouse.ts';
import type { Component, ComponentName } from './component.ts';
import { dragonfly } from './dragonfly.ts';
import { grafana } from './grafana.ts';
import { nats } from './nats.ts';
import { postgres } from './postgres.ts';
import { prometheus } from './prometheus.ts';
import { additionalSenders } from './sender.ts';
import { web } from './web.ts';
import { worker } from './worker.ts';

/** Every component, in the order they are listed. */
export const COMPONENTS: readonly Component[] = [
  postgres,
  nats,
  clickhouse,
  dragonfly,
  prometheus,
  grafana,
  worker,
  web,
];

/** With as many senders as the stack is to have. */
export function componentsFor(senders: number): readonly Component[] {
  return [...COMPONENTS, ...additionalSenders(senders)];
}

export const COMPONENT_NAMES = COMPONENTS.map((component) => component.name);

export function componentNamed(name: string, senders: number): Component | undefined {
  return componentsFor(senders).find((component) => component.name === (name as ComponentName));
}
