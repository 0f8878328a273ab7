import type Docker from 'dockerode';
import { pack } from 'tar-stream';

/**
 * Puts files into a container that was created and not started. No bind mounts: nothing depends on where the
 * engine runs, on spaces in paths, on SELinux or on the line ends of a checkout.
 */
export async function putFiles(
  container: Docker.Container,
  files: { path: string; text: string }[],
): Promise<void> {
  if (files.length === 0) return;
  const archive = pack();
  const folders = new Set(files.flatMap(({ path }) => parents(path)));
  for (const folder of [...folders].sort())
    archive.entry({ name: folder.slice(1), type: 'directory', mode: 0o755 });
  for (const { path, text } of files) archive.entry({ name: path.slice(1), mode: 0o644 }, text);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  await container.putArchive(Buffer.concat(chunks), { path: '/' });
}

/** Folders on the way that images do not have by themselves; /etc is always there. */
function parents(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`).filter((folder) => folder !== '/etc');
}
