import { createWriteStream } from 'node:fs';
import { release, totalmem } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { COMPONENT_NAMES } from '../components/all.ts';
import { readSettings } from '../settings.ts';
import { VERSION } from '../version.ts';
import type { DoctorFacts } from './facts.ts';
import { Redaction } from './redaction.ts';
import type { Diagnosis } from './run-checks.ts';

const LOG_LINES = 200;

/**
 * One archive with what somebody needs to help: versions, settings, states, findings and the last lines of each log,
 * with secrets and addresses taken out.
 */
export async function writeBundle(
  file: string,
  facts: DoctorFacts,
  diagnoses: Diagnosis[],
): Promise<string[]> {
  const redaction = Redaction.of(facts.stack.secrets, facts.env);
  const archive = pack();
  const names: string[] = [];
  const add = (name: string, text: string) => {
    names.push(name);
    archive.entry({ name: `batchsender-doctor/${name}`, mtime: new Date() }, redaction.of(text));
  };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  add('versions.json', json(await versions(facts)));
  add('settings.json', json(settings(facts)));
  add('state.json', json(facts.stack.state));
  add('findings.json', json(diagnoses));
  add('plan.json', json(plan(facts)));
  for (const [name, text] of await logs(facts)) add(name, text);
  archive.finalize();
  await pipeline(archive, createGzip(), createWriteStream(file, { mode: 0o600 }));
  return names;
}

async function versions(facts: DoctorFacts) {
  const engine = await facts.engine();
  return {
    batchsender: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch} ${release()}`,
    memoryMib: Math.round(totalmem() / 1024 / 1024),
    engine: engine && { product: engine.product, apiVersion: engine.apiVersion, source: engine.source },
  };
}

function settings(facts: DoctorFacts) {
  const ours = Object.entries(facts.env).filter(([name]) =>
    /^(BATCHSENDER_|DOCKER_|NODE_ENV$|CI$|.*_proxy$)/i.test(name),
  );
  return { settings: readSettings({}, facts.env, COMPONENT_NAMES), environment: Object.fromEntries(ours) };
}

function plan(facts: DoctorFacts) {
  return facts.plan.entries.map(({ component, presence }) => ({ component: component.name, presence }));
}

async function logs(facts: DoctorFacts): Promise<[string, string][]> {
  const runtimes = await facts.runtimes().catch(() => null);
  if (!runtimes) return [];
  const found: [string, string][] = [];
  for (const component of facts.plan.running) {
    const lines = await runtimes
      .of(component)
      .tail(component, facts.stack, LOG_LINES)
      .catch(() => null);
    if (lines) found.push([`logs/${component.name}.log`, `${lines.join('\n')}\n`]);
  }
  return found;
}
