import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';
import type { Stack } from '../../stack/stack.ts';
import { LABEL, labelsFor, projectOf } from './labels.ts';

export function volumeName(stack: Stack, source: string): string {
  return `${projectOf(stack)}-${source}`;
}

/** What a volume of PostgreSQL was initialised with, as its labels say; null for a volume without them. */
interface Initialised {
  secret: string | null;
  major: string | null;
}

export interface VolumeCheck {
  password: string;
  /** Major version of the image; null when it does not say. */
  major: string | null;
}

export function secretHash(password: string): string {
  return createHash('sha256').update(`batchsender\0${password}`).digest('hex').slice(0, 16);
}

async function inspect(docker: Docker, name: string): Promise<Docker.VolumeInspectInfo | null> {
  try {
    return (await docker.getVolume(name).inspect()) as Docker.VolumeInspectInfo;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw error;
  }
}

/**
 * Makes the volume unless it is there. Looked at first: the engine would answer "created" for one that exists, and
 * keep its old labels. When it was created tells whether it is the one we know: another time means other data.
 *
 * @throws CliError `postgres_other_password`, `postgres_other_major`, before anything is started
 */
export async function ensureVolume(
  docker: Docker,
  stack: Stack,
  source: string,
  check: VolumeCheck | null,
): Promise<{ name: string; createdAt: string; fresh: boolean }> {
  const name = volumeName(stack, source);
  const before = await inspect(docker, name);
  if (before) {
    if (check) checkVolume(stack, name, initialised(before), check);
    return { name, createdAt: createdAt(before), fresh: false };
  }
  await docker.createVolume({
    Name: name,
    Labels: {
      ...labelsFor(stack, source),
      'com.docker.compose.volume': source,
      ...(check ? { [LABEL.secret]: secretHash(check.password) } : {}),
      ...(check?.major ? { [LABEL.major]: check.major } : {}),
    },
  });
  return { name, createdAt: createdAt((await inspect(docker, name))!), fresh: true };
}

/** Whether a volume that is there fits; nothing is made. @throws CliError as {@link ensureVolume} */
export async function checkExistingVolume(
  docker: Docker,
  stack: Stack,
  source: string,
  check: VolumeCheck,
): Promise<void> {
  const name = volumeName(stack, source);
  const before = await inspect(docker, name);
  if (before) checkVolume(stack, name, initialised(before), check);
}

function initialised({ Labels }: Docker.VolumeInspectInfo): Initialised {
  return { secret: Labels?.[LABEL.secret] ?? null, major: Labels?.[LABEL.major] ?? null };
}

function createdAt(volume: Docker.VolumeInspectInfo): string {
  return (volume as { CreatedAt?: string }).CreatedAt ?? '';
}

function checkVolume(stack: Stack, name: string, { secret, major }: Initialised, check: VolumeCheck): void {
  if (major && check.major && major !== check.major) {
    throw new CliError(
      'postgres_other_major',
      EXIT.dataMismatch,
      `The volume ${name} was written by PostgreSQL ${major}; the image runs ${check.major}.`,
      {
        fix: `Use an image of ${major} (--image postgres=postgres:${major}), dump and restore, or remove the data with: batchsender down --volumes`,
      },
    );
  }
  const now = secretHash(check.password);
  if (secret && secret !== now && stack.state.resetPassword !== now) throw otherPassword(name);
}

export function otherPassword(name: string): CliError {
  return new CliError(
    'postgres_other_password',
    EXIT.dataMismatch,
    `The volume ${name} was made with another password than this stack has.`,
    {
      fix: 'Give it this stack’s password, data is kept: batchsender up --reset-password. Or put the old secrets.json back.',
    },
  );
}

/** Removes the stack's volumes, one by one and by name; a prune would take more than ours on older engines. */
export async function removeVolumes(docker: Docker, stack: Stack): Promise<void> {
  const { Volumes } = await docker.listVolumes({ filters: { label: [`${LABEL.stack}=${stack.id}`] } });
  await Promise.all((Volumes ?? []).map(({ Name }) => docker.getVolume(Name).remove({ force: true })));
}
