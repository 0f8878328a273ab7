import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { CliError, EXIT } from './cli-error.ts';
import { RUNTIMES, type RuntimeName, SERVICE_PLACES, type ServicePlace } from './stack/runtime.ts';
import { checkoutRoot } from './stack/stack.ts';

/** Settings that can be given by flag, environment or file; the first of them that names one wins. */
export interface Settings {
  runtime?: RuntimeName;
  services?: ServicePlace;
  imagePrefix?: string;
  images: Record<string, string>;
}

export interface SettingFlags {
  runtime?: string;
  services?: string;
  imagePrefix?: string;
  image?: string[];
}

const IMAGE_VARIABLE = 'BATCHSENDER_IMAGE_';
const IMAGE_SETTING = 'images.';
const KEYS = ['runtime', 'services', 'imagePrefix', 'images'];

export function settingsFile(env: NodeJS.ProcessEnv): string {
  return env.BATCHSENDER_CONFIG ?? join(checkoutRoot(), 'batchsender.yaml');
}

/**
 * @param components those that have an image
 * @throws CliError `setting_unknown`, `setting_invalid`, `settings_unreadable`
 */
export function readSettings(flags: SettingFlags, env: NodeJS.ProcessEnv, components: string[]): Settings {
  const set = new Map(settingSources(env, components).map(({ name, value }) => [name, value]));
  const images = components.flatMap((name) => {
    const image = set.get(IMAGE_SETTING + name);
    return image === undefined ? [] : [[name, image]];
  });
  return {
    runtime: oneOf('runtime', flags.runtime ?? set.get('runtime'), RUNTIMES),
    services: oneOf('services', flags.services ?? set.get('services'), SERVICE_PLACES),
    imagePrefix: flags.imagePrefix ?? set.get('imagePrefix'),
    images: { ...Object.fromEntries(images), ...imageFlags(flags.image ?? [], components) },
  };
}

/** Where a setting comes from, and what that hides. */
export interface SettingSource {
  name: string;
  value: string;
  /** "BATCHSENDER_RUNTIME" or the file. */
  from: string;
  /** What the file says instead, and is not used. */
  hidden: string | null;
}

/**
 * Every setting that is set, and by what: the environment goes before the file. Flags are a command's own.
 * @throws CliError as {@link readSettings}
 */
export function settingSources(env: NodeJS.ProcessEnv, components: string[]): SettingSource[] {
  const path = settingsFile(env);
  const file = fromFile(path, components);
  const named: [name: string, variable: string | undefined, from: string, inFile: string | undefined][] = [
    ['runtime', env.BATCHSENDER_RUNTIME, 'BATCHSENDER_RUNTIME', file.runtime],
    ['services', env.BATCHSENDER_SERVICES, 'BATCHSENDER_SERVICES', file.services],
    ['imagePrefix', env.BATCHSENDER_IMAGE_PREFIX, 'BATCHSENDER_IMAGE_PREFIX', file.imagePrefix],
    ...components.map((name): (typeof named)[number] => {
      const variable = IMAGE_VARIABLE + name.toUpperCase();
      // An empty one of these names no image; an empty one of the others stands for the default.
      return [IMAGE_SETTING + name, env[variable] || undefined, variable, file.images[name]];
    }),
  ];
  return named.flatMap(([name, variable, from, inFile]) => {
    if (variable !== undefined)
      return [{ name, value: variable, from, hidden: inFile && inFile !== variable ? inFile : null }];
    return inFile === undefined ? [] : [{ name, value: inFile, from: path, hidden: null }];
  });
}

function fromFile(path: string, components: string[]): SettingFlags & { images: Record<string, string> } {
  if (!existsSync(path)) return { images: {} };
  const content = contentOf(path);
  const unknown = Object.keys(content).find((key) => !KEYS.includes(key));
  if (unknown) throw unknownSetting(path, unknown, KEYS);
  const images = (content.images ?? {}) as Record<string, string>;
  const stranger = Object.keys(images).find((name) => !components.includes(name));
  if (stranger)
    throw unknownSetting(
      path,
      `images.${stranger}`,
      components.map((name) => `images.${name}`),
    );
  return { ...content, images };
}

function contentOf(path: string): Record<string, unknown> {
  try {
    return (parse(readFileSync(path, 'utf8')) ?? {}) as Record<string, unknown>;
  } catch (error) {
    throw new CliError(
      'settings_unreadable',
      EXIT.config,
      `${path} cannot be read: ${(error as Error).message}`,
      {
        fix: 'Mend it, or remove it to use the defaults.',
      },
    );
  }
}

function imageFlags(values: string[], components: string[]): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const separator = value.indexOf('=');
      const name = value.slice(0, separator);
      if (separator > 0 && components.includes(name)) return [name, value.slice(separator + 1)];
      throw new CliError('setting_invalid', EXIT.usage, `--image ${value} is not COMPONENT=IMAGE.`, {
        fix: `Components: ${components.join(', ')}.`,
      });
    }),
  );
}

function oneOf<T extends string>(
  name: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined || value === '' || allowed.includes(value as T))
    return (value || undefined) as T | undefined;
  throw new CliError('setting_invalid', EXIT.usage, `${name} cannot be "${value}".`, {
    fix: `Use one of: ${allowed.join(', ')}.`,
  });
}

function unknownSetting(path: string, key: string, known: string[]): CliError {
  return new CliError(
    'setting_unknown',
    EXIT.config,
    `${path} has a setting "${key}", which does not exist.`,
    {
      fix: `Use some of: ${known.join(', ')}.`,
    },
  );
}
