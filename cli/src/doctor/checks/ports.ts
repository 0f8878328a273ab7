import { EXIT } from '../../cli-error.ts';
import type { Component } from '../../components/component.ts';
import { portHolder } from '../../runtimes/docker/port-holder.ts';
import { ownerOf } from '../../stack/port-owner.ts';
import { assignPorts, isFree, portKey } from '../../stack/ports.ts';
import { type Check, failed, ok, repairOf } from '../check.ts';

/** Ports of parts that do not run; those that do hold their own. */
export const ports: Check = {
  id: 'ports',
  category: 'stack',
  severity: 'critical',
  title: 'each needed port: free, or ours, or whose',
  exitCode: EXIT.portTaken,
  async detect(facts) {
    const { plan, stack } = facts;
    const runtimes = await facts.runtimes();
    const idle: Component[] = [];
    for (const component of plan.running)
      if (!(await runtimes.of(component).observe(component, stack)).alive) idle.push(component);
    const taken: string[] = [];
    for (const component of idle) {
      for (const name of Object.keys(component.ports)) {
        const port = plan.context(component).port(name);
        if (await isFree(port)) continue;
        const holder = await portHolder(port, ownerOf(port));
        taken.push(`${port} (${portKey(component, name)}) by ${holder ?? 'another program'}`);
      }
    }
    if (taken.length === 0)
      return ok(idle.length ? 'all that are needed are free' : 'all are held by this stack');
    return failed(
      `Taken: ${taken.join('; ')}.`,
      'Stop it, or run "batchsender up": it takes another port and remembers it.',
      {
        repair: repairOf(
          stack,
          `choose ${taken.length === 1 ? 'another port' : `${taken.length} other ports`} and remember the choice`,
          async () => {
            await assignPorts(stack, idle, {});
            stack.save();
          },
        ),
      },
    );
  },
};
