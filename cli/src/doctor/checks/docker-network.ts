import { EXIT } from '../../cli-error.ts';
import { LABEL } from '../../runtimes/docker/labels.ts';
import { freeSubnet, routeInTheWay, routes } from '../../runtimes/docker/subnets.ts';
import { stopStack } from '../../runtimes/stop-stack.ts';
import type { Stack } from '../../stack/stack.ts';
import { type Check, failed, ok, type Repair, repairOf, skipped } from '../check.ts';

/** A subnet of the engine that a VPN routes as well: containers are reached by luck. */
export const dockerNetwork: Check = {
  id: 'docker-network',
  category: 'docker',
  severity: 'warning',
  title: 'a subnet of the containers that another route takes',
  exitCode: EXIT.network,
  needs: 'docker',
  async detect(facts) {
    const engine = (await facts.engine())!;
    if (process.platform !== 'linux') return skipped('the engine’s network is in its virtual machine');
    const networks = await engine.docker.listNetworks({
      filters: { label: [`${LABEL.stack}=${facts.stack.id}`] },
    });
    const subnets = networks.flatMap(({ IPAM }) => IPAM?.Config?.map(({ Subnet }) => Subnet!) ?? []);
    const all = routes();
    for (const subnet of subnets) {
      const other = routeInTheWay(subnet, all);
      if (other)
        return failed(
          `The containers’ subnet ${subnet} is also routed to ${other.device}.`,
          'Give the stack another one (--fix), or the engine another pool in /etc/docker/daemon.json ("default-address-pools"); then: batchsender down, batchsender up',
          { repair: moveTo(freeSubnet(all), facts.stack) },
        );
    }
    return ok(subnets.length ? `${subnets.join(', ')}, and no other route takes it` : 'no network yet');
  },
};

/** A network keeps its subnet as long as it is there: the stack stops, and the next `up` makes another one. */
function moveTo(subnet: string | null, stack: Stack): Repair | undefined {
  if (!subnet) return undefined;
  const title = `stop the stack, and use ${subnet} from its next start on (data is kept)`;
  return repairOf(stack, title, async () => {
    await stopStack(stack, false);
    stack.state.subnet = subnet;
    stack.save();
  });
}
