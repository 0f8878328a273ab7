import { readFileSync } from 'node:fs';
import { EXIT } from '../../cli-error.ts';
import { LABEL } from '../../runtimes/docker/labels.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

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
    for (const subnet of subnets) {
      const other = routes().find((route) => overlaps(route, subnet) && !/^(br-|docker)/.test(route.device));
      if (other)
        return failed(
          `The containers’ subnet ${subnet} is also routed to ${other.device}.`,
          'Give the engine another pool in /etc/docker/daemon.json ("default-address-pools"), then: batchsender down, batchsender up',
        );
    }
    return ok(subnets.length ? `${subnets.join(', ')}, and no other route takes it` : 'no network yet');
  },
};

interface Route {
  device: string;
  address: number;
  mask: number;
}

/** From /proc/net/route: addresses in hexadecimal, lowest byte first. */
function routes(): Route[] {
  return readFileSync('/proc/net/route', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length > 7)
    .map((fields) => ({
      device: fields[0]!,
      address: littleEndian(fields[1]!),
      mask: littleEndian(fields[7]!),
    }))
    .filter(({ mask }) => mask !== 0);
}

function littleEndian(hex: string): number {
  return Buffer.from(hex, 'hex').readUInt32LE(0);
}

function overlaps(route: Route, subnet: string): boolean {
  const [address = '', bits = '32'] = subnet.split('/');
  const network = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const mask = Number(bits) === 0 ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0;
  const common = (route.mask & mask) >>> 0;
  return (route.address & common) >>> 0 === (network & common) >>> 0;
}
