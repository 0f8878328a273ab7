import { clickhouse } from './clickhouse.ts';
import type { Component, ComponentName } from './component.ts';
import { dragonfly } from './dragonfly.ts';
import { grafana } from './grafana.ts';
import { nats } from './nats.ts';
import { postgres } from './postgres.ts';
import { prometheus } from './prometheus.ts';
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

export const COMPONENT_NAMES = COMPONENTS.map((component) => component.name);

export function componentNamed(name: string): Component | undefined {
  return COMPONENTS.find((component) => component.name === (name as ComponentName));
}
