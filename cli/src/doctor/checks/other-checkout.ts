import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { EXIT } from '../../cli-error.ts';
import { LABEL } from '../../runtimes/docker/labels.ts';
import { ownerOf } from '../../stack/port-owner.ts';
import { type Check, failed, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

interface OtherStack {
  id: string;
  /** Where it is. */
  place: string;
}

/** Two checkouts run side by side, each with ports of its own; it is trouble only when one sits on the other's. */
export const otherCheckout: Check = {
  id: 'other-checkout',
  category: 'stack',
  severity: 'warning',
  title: 'stacks of other checkouts on this machine, and whether they hold our ports',
  exitCode: EXIT.portTaken,
  async detect(facts) {
    const others = [...processesOfOthers(facts.stack.id), ...(await containersOfOthers(facts))];
    if (others.length === 0) return ok('no other stack runs here');
    const places = [...new Set(others.map(({ place }) => place))];
    const held = portsHeldBy(
      others.map(({ pid }) => pid).filter((pid) => pid !== null),
      facts,
    );
    if (held.length === 0) return ok(`also running here: ${places.join(', ')}; each has ports of its own`);
    return failed(
      `The stack of ${places.join(', ')} holds ports that this one had: ${held.join(', ')}.`,
      'batchsender up takes other ports for this one; both can run.',
    );
  },
};

/** Worker processes carry the id of their stack in their environment, and work in its folder. */
function processesOfOthers(ownId: string): (OtherStack & { pid: number | null })[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const id = /(?:^|\0)STACK_ID=([0-9a-f]{12})\0/.exec(
          readFileSync(`/proc/${pid}/environ`, 'latin1'),
        )?.[1];
        return id && id !== ownId ? [{ id, place: readlinkSync(`/proc/${pid}/cwd`), pid: Number(pid) }] : [];
      } catch {
        return [];
      }
    });
}

async function containersOfOthers(facts: DoctorFacts): Promise<(OtherStack & { pid: number | null })[]> {
  const engine = await facts.engine();
  if (!engine) return [];
  const all = await engine.docker.listContainers({ filters: { label: [LABEL.stack] } });
  return all
    .filter(({ Labels }) => Labels[LABEL.stack] !== facts.stack.id)
    .map(({ Labels }) => ({
      id: Labels[LABEL.stack]!,
      place: `${Labels[LABEL.checkout]} (${Labels[LABEL.stackName]})`,
      pid: null,
    }));
}

function portsHeldBy(pids: number[], facts: DoctorFacts): string[] {
  return Object.entries(facts.stack.state.ports).flatMap(([name, port]) => {
    const owner = ownerOf(port);
    return owner && pids.includes(owner.pid) ? [`${port} (${name})`] : [];
  });
}
