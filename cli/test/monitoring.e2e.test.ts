import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { findProgram } from '../src/components/programs.ts';
import { PrometheusApi } from './prometheus-api.ts';
import { has } from './requirement.ts';
import { TestStack } from './run-cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const monitoring = join(root, 'infra/monitoring');

interface Rule {
  alert: string;
  expr: string;
  annotations: Record<string, string>;
}
const rules = (
  parse(readFileSync(join(monitoring, 'prometheus/alerts.yml'), 'utf8')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

interface Panel {
  title: string;
  type: string;
  targets?: { expr: string }[];
}
const dashboards = readdirSync(join(monitoring, 'grafana/dashboards')).map((file) => ({
  file,
  ...(JSON.parse(readFileSync(join(monitoring, 'grafana/dashboards', file), 'utf8')) as {
    uid: string;
    title: string;
    panels: Panel[];
  }),
}));
const queries = dashboards.flatMap(({ title, panels }) =>
  panels.flatMap((panel) =>
    (panel.targets ?? []).map(({ expr }) => [`${title} / ${panel.title}`, expr] as [string, string]),
  ),
);

test('each alert has its runbook, and each runbook its alert', () => {
  const pages = rules.map(({ annotations }) => annotations.runbook!);
  for (const page of pages) expect(existsSync(join(root, page)), page).toBe(true);
  const files = readdirSync(join(root, 'docs/runbooks')).filter((file) => file !== 'README.md');
  expect(files.map((file) => `docs/runbooks/${file}`).sort()).toEqual([...new Set(pages)].sort());
});

test('each alert has cases in the rule tests', () => {
  const cases = readFileSync(join(monitoring, 'prometheus/alerts.test.yml'), 'utf8');
  for (const { alert } of rules) expect(cases).toContain(`alertname: ${alert}\n`);
});

test('the four dashboards have identities and queries that Grafana’s provisioning finds', () => {
  expect(dashboards.map(({ uid }) => uid).sort()).toEqual([
    'batchsender-infrastructure',
    'batchsender-overview',
    'batchsender-pipeline',
    'batchsender-providers',
  ]);
  for (const { panels } of dashboards)
    for (const panel of panels) if (panel.type !== 'row') expect(panel.targets!.length).toBeGreaterThan(0);
});

const installed = has('prometheus');

test.runIf(installed)('promtool accepts the configuration and the alert rules pass their tests', () => {
  const promtool = findProgram(['promtool'], process.env)!.path;
  const run = (...args: string[]) =>
    execFileSync(promtool, args, { cwd: join(monitoring, 'prometheus'), encoding: 'utf8' });
  expect(run('check', 'config', 'prometheus.yml')).toContain(`${rules.length} rules found`);
  expect(run('test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
});

describe.runIf(installed)('with a stack that has just been brought up', () => {
  const stack = new TestStack('monitoring');
  let prometheus: PrometheusApi;
  beforeAll(async () => {
    const up = await stack.run(['up', '--without', 'nats,dragonfly']);
    expect(up.exitCode, up.stderr).toBe(0);
    const { components } = await stack.json<{ components: { name: string; url: string }[] }>(['status']);
    prometheus = new PrometheusApi(components.find((one) => one.name === 'prometheus')!.url);
  });
  afterAll(() => stack.remove());

  test('the test batch shows up in Prometheus with nothing else done', async () => {
    await expect
      .poll(() => prometheus.value('sum(batchsender_messages_total{state="sent"})'), {
        timeout: 30_000,
        interval: 500,
      })
      .toBe(25);
    // Each target has its own moment within the five seconds between scrapes.
    for (const job of ['worker', 'web', 'prometheus'])
      await expect
        .poll(() => prometheus.value(`up{job="${job}"}`), { message: job, timeout: 30_000, interval: 500 })
        .toBe(1);
  });

  test('no panel of a dashboard is empty after a run, and no query or alert names an unknown metric', async () => {
    const added = await stack.run([
      'provider',
      'add',
      'limited',
      '--kind',
      'mock',
      '--limit',
      'perSecond=50',
    ]);
    expect(added.exitCode, added.stderr).toBe(0);
    expect((await stack.run(['seed', '--batch', '2000'])).exitCode).toBe(0);
    const file = join(stack.dir, 'people.csv');
    writeFileSync(
      file,
      `email,name\n${Array.from({ length: 300 }, (_, i) => `p${i}@example.com,P ${i}`).join('\n')}\n`,
    );
    const sent = await stack.run([
      ...['send', file, '--provider', 'limited', '--from', 'news@example.com'],
      ...['--subject', 'Hello', '--text', join(root, 'LICENSE')],
    ]);
    expect(sent.exitCode, sent.stderr).toBe(0);
    const empty = async () => {
      const found: string[] = [];
      for (const [panel, expr] of queries)
        if ((await prometheus.query(expr)).length === 0) found.push(`${panel}: ${expr}`);
      return found;
    };
    await expect.poll(empty, { timeout: 60_000, interval: 1000 }).toEqual([]);
    // Histograms and gauges that a quiet system does not have are known by docs/metrics.md.
    const documented = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
    const known = await prometheus.metricNames();
    for (const expr of [...queries.map(([, query]) => query), ...rules.map((rule) => rule.expr)]) {
      for (const name of expr.match(/\b(batchsender|process|nodejs)_\w+/g) ?? [])
        expect(known.has(name) || documented.includes(`\`${name}\``), name).toBe(true);
    }
  });

  test('the rules are loaded, and none fires on a healthy system', async () => {
    expect(await prometheus.query('ALERTS{alertstate="firing"}')).toEqual([]);
    expect(await prometheus.value('prometheus_rule_group_rules{rule_group=~".*;sending"}')).toBe(
      rules.filter(({ alert }) => /Stuck|NoDel|Senders|Paused|Churn|Uncertain/.test(alert)).length,
    );
  });
});
