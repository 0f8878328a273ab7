import { CliError, EXIT } from '../cli-error.ts';
import type { Check } from './check.ts';
import { apiKey } from './checks/api-key.ts';
import { ci } from './checks/ci.ts';
import { clock } from './checks/clock.ts';
import { components } from './checks/components.ts';
import { configuration } from './checks/configuration.ts';
import { credentials } from './checks/credentials.ts';
import { delivery } from './checks/delivery.ts';
import { disk } from './checks/disk.ts';
import { dockerEngine } from './checks/docker-engine.ts';
import { dockerNetwork } from './checks/docker-network.ts';
import { dockerPermission } from './checks/docker-permission.ts';
import { dockerProvider } from './checks/docker-provider.ts';
import { dockerVersion } from './checks/docker-version.ts';
import { embedded } from './checks/embedded.ts';
import { grafana } from './checks/grafana.ts';
import { images } from './checks/images.ts';
import { lastFailure } from './checks/last-failure.ts';
import { latestRelease } from './checks/latest-release.ts';
import { leftovers } from './checks/leftovers.ts';
import { limits } from './checks/limits.ts';
import { localhost } from './checks/localhost.ts';
import { memory } from './checks/memory.ts';
import { metrics } from './checks/metrics.ts';
import { migrations } from './checks/migrations.ts';
import { node } from './checks/node.ts';
import { otherCheckout } from './checks/other-checkout.ts';
import { outbox } from './checks/outbox.ts';
import { platform } from './checks/platform.ts';
import { ports } from './checks/ports.ts';
import { postgresData } from './checks/postgres-data.ts';
import { providers } from './checks/providers.ts';
import { proxy } from './checks/proxy.ts';
import { queue } from './checks/queue.ts';
import { registry } from './checks/registry.ts';
import { secrets } from './checks/secrets.ts';
import { senderDomains } from './checks/sender-domains.ts';
import { senders } from './checks/senders.ts';
import { versions } from './checks/versions.ts';
import { webhooks } from './checks/webhooks.ts';

/** Every check, the likeliest causes first: what is wrong further up explains what is wrong further down. */
export const CHECKS: readonly Check[] = [
  ...[node, disk, memory, configuration, embedded, limits, proxy, platform, localhost, clock, ci],
  ...[dockerEngine, dockerPermission, dockerVersion, dockerProvider, images, registry, dockerNetwork],
  ...[ports, leftovers, postgresData, secrets, components, lastFailure, otherCheckout, migrations],
  ...[versions, latestRelease],
  ...[
    apiKey,
    metrics,
    grafana,
    senders,
    queue,
    providers,
    outbox,
    webhooks,
    credentials,
    delivery,
    senderDomains,
  ],
];

/** Those that were named, or all but the deep ones. @throws CliError `check_unknown` */
export function chooseChecks(names: string[], deep: boolean): readonly Check[] {
  if (names.length === 0) return CHECKS.filter((check) => deep || !check.deep);
  return names.map((name) => {
    const check = CHECKS.find(({ id }) => id === name);
    if (check) return check;
    throw new CliError('check_unknown', EXIT.usage, `There is no check "${name}".`, {
      fix: `Use some of: ${CHECKS.map(({ id }) => id).join(', ')}.`,
    });
  });
}
