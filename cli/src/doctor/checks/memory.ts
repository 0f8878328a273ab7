import { freemem, totalmem } from 'node:os';
import { EXIT } from '../../cli-error.ts';
import type { Component } from '../../components/component.ts';
import { type Check, type Finding, failed, ok, repairOf } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

const MIB = 1024 * 1024;
/** The real servers in containers take up to twice what the embedded ones do, ClickHouse above all. */
const CONTAINER_FACTOR = 2;
/** What a stack can do without, what saves most first. */
const DISPENSABLE = ['clickhouse', 'grafana', 'prometheus', 'nats', 'dragonfly'];

export const memory: Check = {
  id: 'memory',
  category: 'host',
  severity: 'critical',
  title: 'memory of this machine, of its control group, and of the engine, beside what the parts need',
  exitCode: EXIT.outOfMemory,
  preflight: true,
  async detect(facts) {
    const allowed = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / MIB;
    const { running } = facts.plan;
    const here = running.filter((component) => !facts.inContainer(component));
    if (neededMib(here, 1) > allowed)
      return tooLittle(facts, here, 1, allowed, `${Math.round(allowed)} MiB of memory are allowed here`);
    const contained = running.filter((component) => facts.inContainer(component));
    if (contained.length > 0) {
      const { MemTotal } = (await facts.engineInfo()) ?? {};
      const has = MemTotal === undefined ? Number.POSITIVE_INFINITY : MemTotal / MIB;
      if (neededMib(contained, CONTAINER_FACTOR) > has)
        return tooLittle(facts, contained, CONTAINER_FACTOR, has, `The engine has ${Math.round(has)} MiB`);
    }
    return ok(`${(allowed / 1024).toFixed(1)} GiB, ${(freemem() / MIB / 1024).toFixed(1)} GiB free`);
  },
};

function neededMib(components: readonly Component[], factor: number): number {
  return components.reduce((sum, { memoryMib }) => sum + memoryMib * factor, 0);
}

function tooLittle(
  facts: DoctorFacts,
  components: readonly Component[],
  factor: number,
  allowedMib: number,
  has: string,
): Finding {
  const spared = sparedParts(components, factor, allowedMib);
  const needed = `${has}; ${components.map(({ title }) => title).join(', ')} need ${neededMib(components, factor)}.`;
  if (spared === null) return failed(needed, 'Give the machine, its container or the engine more.');
  const without = [...new Set([...(facts.selection.without ?? []), ...spared])];
  return failed(needed, `Give it more, or leave parts out: batchsender up --without ${without.join(',')}`, {
    repair: repairOf(facts.stack, `leave out ${spared.join(', ')} from now on`, async () => {
      const { selection } = facts.stack.state;
      const only = selection.only?.filter((name) => !spared.includes(name));
      facts.stack.state.selection = { ...selection, ...(only ? { only } : { without }) };
      facts.stack.save();
    }),
  });
}

/** The fewest parts without which the rest fits; null when nothing helps. */
function sparedParts(components: readonly Component[], factor: number, allowedMib: number): string[] | null {
  const spared: string[] = [];
  for (const name of DISPENSABLE) {
    if (!components.some((component) => component.name === name)) continue;
    spared.push(name);
    const rest = components.filter((component) => !spared.includes(component.name));
    if (neededMib(rest, factor) <= allowedMib) return spared;
  }
  return null;
}
