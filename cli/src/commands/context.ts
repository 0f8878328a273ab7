import { CliError, EXIT } from '../cli-error.ts';
import { COMPONENT_NAMES, COMPONENTS, componentsFor } from '../components/all.ts';
import type { ComponentName } from '../components/component.ts';
import { openRuntimes, type Runtimes } from '../runtimes/runtimes.ts';
import { readSettings, type SettingFlags } from '../settings.ts';
import { planStack, type StackPlan } from '../stack/plan.ts';
import { portKey } from '../stack/ports.ts';
import { type Selection, Stack } from '../stack/stack.ts';

/** Flags that every stack command understands. */
export interface StackFlags {
  stack?: string;
}

export interface UpFlags extends StackFlags, SettingFlags {
  only?: string;
  without?: string;
  port?: string[];
  host?: string;
  senders?: string;
  postgresUrl?: string;
  natsUrl?: string;
  clickhouseUrl?: string;
  dragonflyUrl?: string;
  testBatch?: boolean;
  open?: boolean;
  dryRun?: boolean;
  timings?: boolean;
  resetPassword?: boolean;
}

/** `--only a,b` as names. @throws CliError `component_unknown` */
export function componentNames(flag: string, value: string | undefined): ComponentName[] | undefined {
  if (value === undefined) return undefined;
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !COMPONENT_NAMES.includes(name as ComponentName));
  if (unknown === undefined) return names as ComponentName[];
  throw new CliError('component_unknown', EXIT.usage, `${flag}: there is no component "${unknown}".`, {
    fix: `Use some of: ${COMPONENT_NAMES.join(', ')}.`,
  });
}

/** `--port worker=7000` as a record. @throws CliError `port_invalid` */
export function fixedPorts(values: string[] = []): Record<string, number> {
  const keys = COMPONENTS.flatMap((component) =>
    Object.keys(component.ports).map((name) => portKey(component, name)),
  );
  return Object.fromEntries(
    values.map((value) => {
      const [key = '', port = ''] = value.split('=');
      if (keys.includes(key) && /^\d+$/.test(port) && Number(port) > 0 && Number(port) < 65_536)
        return [key, Number(port)];
      throw new CliError('port_invalid', EXIT.usage, `--port ${value} is not COMPONENT=PORT.`, {
        fix: `Components: ${keys.join(', ')}; ports: 1 to 65535.`,
      });
    }),
  );
}

export function openStack(flags: StackFlags): Stack {
  return Stack.open(flags.stack ?? process.env.BATCHSENDER_STACK ?? 'default');
}

/** The plan as the last `up` chose it. */
export function planOf(stack: Stack): StackPlan {
  const { selection } = stack.state;
  return planStack(stack, componentsFor(selection.senders), selection, process.env);
}

/** The runtimes that the last `up` chose. @throws CliError when Docker is needed and does not answer */
export function runtimesOf(stack: Stack): Promise<Runtimes> {
  return openRuntimes(stack.state.selection, process.env);
}

/** What `up` was told; a flag that is not given means what the last `up` chose. */
export function selectionFor(stack: Stack, flags: UpFlags): Selection {
  const last = stack.state.selection;
  const given = {
    postgres: flags.postgresUrl,
    nats: flags.natsUrl,
    clickhouse: flags.clickhouseUrl,
    dragonfly: flags.dragonflyUrl,
  };
  const external = Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const settings = readSettings(flags, process.env, COMPONENT_NAMES);
  const chosen = flags.only !== undefined || flags.without !== undefined;
  return {
    only: chosen ? componentNames('--only', flags.only) : last.only,
    without: chosen ? componentNames('--without', flags.without) : last.without,
    external: { ...last.external, ...external },
    host: flags.host ?? last.host,
    senders: flags.senders === undefined ? last.senders : senderCount(flags.senders),
    runtime: settings.runtime ?? last.runtime,
    services: settings.services ?? last.services,
    images: { ...last.images, ...settings.images },
    imagePrefix: settings.imagePrefix ?? last.imagePrefix,
  };
}

/** Null for settings that cannot be understood: the doctor, and so `up`, has a check that says so. */
export function wishedBy(stack: Stack, flags: UpFlags): Selection | null {
  try {
    return selectionFor(stack, flags);
  } catch {
    return null;
  }
}

const MAX_SENDERS = 64;

function senderCount(value: string): number {
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_SENDERS) return count;
  throw new CliError(
    'senders_invalid',
    EXIT.usage,
    `--senders ${value} is not a number from 1 to ${MAX_SENDERS}.`,
  );
}
