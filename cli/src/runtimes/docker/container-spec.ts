import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import type { ComposeService } from './compose/compose-file.ts';

/** A file that is put into a container. */
export interface ContainerFile {
  path: string;
  text: string;
  /** Read again by itself when it changes: no reason to start the container anew. */
  volatile: boolean;
}

/** A container as it should be: what the engine is told, and the files that are put into it. */
export interface ContainerSpec {
  name: string;
  options: Docker.ContainerCreateOptions;
  files: ContainerFile[];
  /** Changes when any of it does, the image's content included. */
  hash: string;
}

const NANOSECONDS = 1e9;

export interface ContainerPlace {
  name: string;
  networkId: string;
  /** Names by which other containers reach it. */
  aliases: string[];
  /** Volume of the stack by its name in the Compose file. */
  volumeName(source: string): string;
  imageId: string;
}

/** Pure: service and place to the engine's options. */
export function containerSpec(
  service: ComposeService,
  files: ContainerFile[],
  place: ContainerPlace,
): ContainerSpec {
  const options: Docker.ContainerCreateOptions = {
    name: place.name,
    Image: service.image,
    ...(service.command ? { Cmd: service.command } : {}),
    Env: Object.entries(service.environment).map(([name, value]) => `${name}=${value}`),
    ExposedPorts: Object.fromEntries(service.ports.map(({ target }) => [`${target}/tcp`, {}])),
    ...(service.stopSignal ? { StopSignal: service.stopSignal } : {}),
    StopTimeout: service.stopGraceSeconds,
    ...(service.healthcheck ? { Healthcheck: healthcheck(service.healthcheck) } : {}),
    HostConfig: hostConfig(service, place),
    NetworkingConfig: { EndpointsConfig: { [place.networkId]: { Aliases: place.aliases } } },
  };
  return { name: place.name, options, files, hash: hashOf(options, files, place) };
}

function hostConfig(service: ComposeService, place: ContainerPlace): Docker.HostConfig {
  return {
    PortBindings: Object.fromEntries(
      service.ports.map(({ host, published, target }) => [
        `${target}/tcp`,
        [{ HostIp: host, HostPort: String(published) }],
      ]),
    ),
    Mounts: service.volumes.map(({ source, target }) => ({
      Type: 'volume',
      Source: place.volumeName(source),
      Target: target,
    })),
    NetworkMode: place.networkId,
    Init: service.init,
    RestartPolicy: { Name: service.restart },
    LogConfig: { Type: service.logging.driver, Config: service.logging.options },
    ExtraHosts: service.extraHosts,
    Ulimits: service.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    // The same figure for memory and swap: over the limit means an end that can be explained, not a crawl.
    ...(service.memoryBytes ? { Memory: service.memoryBytes, MemorySwap: service.memoryBytes } : {}),
    ...(service.sharedMemoryBytes ? { ShmSize: service.sharedMemoryBytes } : {}),
  };
}

function healthcheck(check: NonNullable<ComposeService['healthcheck']>): Docker.HealthConfig {
  return {
    Test: check.test,
    Interval: check.intervalSeconds * NANOSECONDS,
    Timeout: check.timeoutSeconds * NANOSECONDS,
    Retries: check.retries,
  };
}

/** Without the network's id: another network means nothing for what runs inside. */
function hashOf(
  { NetworkingConfig: _, HostConfig, ...options }: Docker.ContainerCreateOptions,
  files: ContainerFile[],
  place: ContainerPlace,
): string {
  const { NetworkMode: __, ...host } = HostConfig!;
  return createHash('sha256')
    .update(JSON.stringify([options, host, files.filter((file) => !file.volatile), place.imageId]))
    .digest('hex')
    .slice(0, 16);
}
