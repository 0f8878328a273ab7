import { readFileSync } from 'node:fs';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Component, ComponentContext, ComponentName } from '../../components/component.ts';
import { scrapeTargets } from '../../components/monitoring-files.ts';
import { engineUrls, passedOn } from '../../components/worker.ts';
import type { Selection } from '../../stack/stack.ts';
import { type ComposeService, readCompose } from './compose/compose-file.ts';
import type { ContainerFile } from './container-spec.ts';

/** Where Prometheus finds ClickHouse's own metrics; all others serve them on their main port. */
const METRICS_PORT: Partial<Record<ComponentName, number>> = { clickhouse: 9363 };
/** For questions that no secret is part of; the file demands them. */
const NO_SECRETS = { POSTGRES_PASSWORD: '-', CLICKHOUSE_PASSWORD: '-', SECRET_KEY: '-' };
const TARGETS = '/etc/prometheus/targets/';

/** Name of the service that a component is; additional senders are workers with one role. */
export function serviceName(component: ComponentName): string {
  return component.startsWith('sender-') ? 'worker' : component;
}

const variable = (component: string) => component.toUpperCase().replaceAll('-', '_');

/** The component's service from the Compose file, with the stack's ports, secrets and images in place. */
export function serviceFor(component: Component, context: ComponentContext): ComposeService {
  const { stack, selection } = context;
  const ports = Object.keys(component.ports).map((name) => [
    `${variable(serviceName(component.name))}${name ? `_${variable(name)}` : ''}_PORT`,
    String(context.port(name)),
  ]);
  const service = readCompose({
    ...Object.fromEntries(ports),
    ...imageVariables(selection),
    POSTGRES_PASSWORD: stack.secrets.postgresPassword,
    CLICKHOUSE_PASSWORD: stack.secrets.clickhousePassword,
    SECRET_KEY: stack.secrets.secretKey,
    STACK_ID: stack.id,
    HOST: selection.host,
    NODE_IMAGE: context.env.BATCHSENDER_NODE_IMAGE,
    NODE_ENV: context.env.NODE_ENV,
    PUBLIC_URL: context.env.PUBLIC_URL || (context.urlOf('worker') ?? ''),
    ROLES: component.name.startsWith('sender-') ? 'sender' : context.env.ROLES,
  }).get(serviceName(component.name));
  if (!service)
    throw new CliError(
      'compose_service_missing',
      EXIT.config,
      `compose.yaml has no service "${component.name}".`,
    );
  return {
    ...service,
    image: withPrefix(service.image, component.name, selection),
    environment: environmentOf(service, context),
  };
}

/** Image of a component without the rest: for the plan, which needs no ports. */
export function imageOf(component: Component, selection: Selection): string | null {
  const service = readCompose({ ...NO_SECRETS, ...imageVariables(selection) }).get(
    serviceName(component.name),
  );
  return service ? withPrefix(service.image, component.name, selection) : null;
}

function imageVariables({ images }: Selection): Record<string, string> {
  return Object.fromEntries(
    Object.entries(images).map(([name, image]) => [`${variable(name)}_IMAGE`, image]),
  );
}

/** A mirror stands for Docker Hub: images that were named, or name their registry, are left alone. */
function withPrefix(image: string, component: ComponentName, { images, imagePrefix }: Selection): string {
  const first = image.split('/')[0]!;
  const hasRegistry = image.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  const local = image.endsWith(':local');
  if (!imagePrefix || hasRegistry || local || images[serviceName(component)]) return image;
  return `${imagePrefix.replace(/\/$/, '')}/${image}`;
}

/** The worker's engines may be absent or elsewhere, and some settings are passed on from the command's environment. */
function environmentOf(service: ComposeService, context: ComponentContext): Record<string, string> {
  if (service.name !== 'worker') return service.environment;
  const environment: Record<string, string> = { ...service.environment, ...passedOn(context.env) };
  environment.ROLES = service.environment.ROLES!;
  for (const [name, component] of Object.entries(engineUrls)) {
    const external = context.selection.external[component];
    if (external) environment[name] = external;
    else if (context.urlOf(component) === null) delete environment[name];
  }
  return environment;
}

/**
 * Files of a container: those of the Compose file, with what Prometheus scrapes made for this stack.
 *
 * @param inContainer whether a component is a container as well
 * @param hostAddress where containers reach processes on this host
 */
export function filesFor(
  service: ComposeService,
  context: ComponentContext,
  inContainer: (component: ComponentName) => boolean,
  hostAddress: string,
): ContainerFile[] {
  const addressOf = (component: ComponentName): string | null => {
    const url = context.urlOf(component);
    if (!url) return null;
    if (component === 'prometheus') return '127.0.0.1:9090';
    if (!inContainer(component)) return `${hostAddress}:${new URL(url).port}`;
    return `${component}:${METRICS_PORT[component] ?? targetPort(component)}`;
  };
  const generated = scrapeTargets(context, addressOf);
  return service.configs.map(({ file, target }) => ({
    path: target,
    volatile: target.startsWith(TARGETS),
    text: target.startsWith(TARGETS)
      ? generated[`targets/${target.slice(TARGETS.length)}`]!
      : readFileSync(file, 'utf8'),
  }));
}

function targetPort(component: ComponentName): number {
  return readCompose(NO_SECRETS).get(serviceName(component))!.ports[0]!.target;
}
