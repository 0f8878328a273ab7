import { readFileSync } from 'node:fs';

/** A range of IPv4 addresses, as numbers. */
export interface Route {
  device: string;
  address: number;
  mask: number;
}

/** Where a free subnet is looked for: 10.213.0.0/16 in pieces of 256, a corner that hardly anybody uses. */
const CANDIDATES = Array.from({ length: 256 }, (_, i) => `10.213.${i}.0/24`);

/** From /proc/net/route: addresses in hexadecimal, lowest byte first. The default route is none of these. */
export function routes(text = readFileSync('/proc/net/route', 'utf8')): Route[] {
  return text
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

/** The first route that takes addresses of the subnet, other than those of the engine's own bridges. */
export function routeInTheWay(subnet: string, all: readonly Route[]): Route | undefined {
  return all.find((route) => overlaps(route, subnet) && !/^(br-|docker)/.test(route.device));
}

/** A subnet that no route takes, the engine's bridges included. */
export function freeSubnet(all: readonly Route[]): string | null {
  return CANDIDATES.find((subnet) => !all.some((route) => overlaps(route, subnet))) ?? null;
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
