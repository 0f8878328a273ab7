import type Docker from 'dockerode';
import { INPUTS } from './build.ts';

const MIB = 1024 * 1024;

interface DiskUsage {
  Images: { Id: string; Size: number; SharedSize: number; Containers: number }[] | null;
  Containers: { State: string; SizeRw?: number }[] | null;
  BuildCache: { InUse: boolean; Shared: boolean; Size: number }[] | null;
}

/**
 * What the engine could do without: MiB of unused images, ended containers and build cache, of whatever project;
 * and the ids of images that were built here and replaced since. Volumes are never counted: they are data.
 */
export async function reclaimable(docker: Docker): Promise<{ unusedMib: number; ours: string[] }> {
  const usage = (await docker.df()) as DiskUsage;
  const bytes = [
    ...(usage.Images ?? [])
      .filter(({ Containers }) => Containers === 0)
      .map(({ Size, SharedSize }) => Size - Math.max(0, SharedSize)),
    ...(usage.Containers ?? []).filter(({ State }) => State !== 'running').map(({ SizeRw }) => SizeRw ?? 0),
    ...(usage.BuildCache ?? []).filter((one) => !one.InUse && !one.Shared).map(({ Size }) => Size),
  ].reduce((sum, size) => sum + size, 0);
  const replaced = await docker.listImages({ filters: { dangling: ['true'], label: [INPUTS] } });
  return { unusedMib: Math.round(bytes / MIB), ours: replaced.map(({ Id }) => Id) };
}

/** One that a container still uses stays. */
export async function removeImages(docker: Docker, ids: string[]): Promise<void> {
  for (const id of ids)
    await docker
      .getImage(id)
      .remove()
      .catch((error: { statusCode?: number }) => {
        if (error.statusCode !== 409 && error.statusCode !== 404) throw error;
      });
}
