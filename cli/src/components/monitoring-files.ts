import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutRoot } from '../stack/stack.ts';
import type { ComponentContext, ComponentName } from './component.ts';
import { additionalSenders } from './sender.ts';

const MONITORING = join(checkoutRoot(), 'infra/monitoring');
export const GRAFANA_PROVISIONING = join(MONITORING, 'grafana/provisioning');
export const GRAFANA_DASHBOARDS = join(MONITORING, 'grafana/dashboards');
const PROMETHEUS = join(MONITORING, 'prometheus');

/** Prometheus' configuration and alert rules, by file name. */
export function prometheusConfiguration(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(PROMETHEUS)
      .filter((name) => name.endsWith('.yml') && !name.endsWith('.test.yml'))
      .map((name) => [name, readFileSync(join(PROMETHEUS, name), 'utf8')]),
  );
}

/**
 * What Prometheus scrapes, by job, as its files in targets/.
 *
 * @param addressOf host:port of a component's metrics as Prometheus reaches it; null when it has none
 */
export function scrapeTargets(
  context: ComponentContext,
  addressOf: (component: ComponentName) => string | null,
): Record<string, string> {
  const jobs: Record<string, ComponentName[]> = {
    worker: ['worker', ...additionalSenders(context.selection.senders).map(({ name }) => name)],
    web: ['web'],
    clickhouse: ['clickhouse'],
    dragonfly: ['dragonfly'],
    prometheus: ['prometheus'],
  };
  return Object.fromEntries(
    Object.entries(jobs).map(([job, components]) => {
      const targets = components.map(addressOf).filter((address) => address !== null);
      return [`targets/${job}.json`, JSON.stringify(targets.length ? [{ targets }] : [])];
    }),
  );
}

/**
 * Changes when one of the files does: then Prometheus is started anew. Targets are left out: it reads them again by
 * itself, and lets go of those that are gone, which a restart would report as down for minutes.
 */
export function fingerprint(files: Record<string, string>): string {
  return createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 12);
}
