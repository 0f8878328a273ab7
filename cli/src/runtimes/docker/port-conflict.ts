import type Docker from 'dockerode';

const SHORT_ID_CHARS = 12;

/** As the docker command prints it. */
export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_CHARS);
}

/**
 * The port that could not be published, from the engine's words: it has one text for a port that a process holds
 * and another for one that a container holds. Null when the text is about something else.
 */
export function conflictingPort(text: string): { port: number; heldBy: 'process' | 'container' } | null {
  const byContainer = /Bind for [^ ]*:(\d+) failed: port is already allocated/.exec(text);
  if (byContainer) return { port: Number(byContainer[1]), heldBy: 'container' };
  const byProcess =
    /listen tcp[46]? [^ ]*:(\d+): bind: address already in use/.exec(text) ??
    /(?:exposing port|ports are not available)[\s\S]*?:(\d+)[\s\S]*?(?:address already in use|forbidden by its access permissions)/.exec(
      text,
    );
  return byProcess ? { port: Number(byProcess[1]), heldBy: 'process' } : null;
}

/** "container X of project Y", when a container publishes the port. */
export async function containerOnPort(docker: Docker, port: number): Promise<string | null> {
  const all = await docker.listContainers();
  const holder = all.find(({ Ports }) => Ports.some(({ PublicPort }) => PublicPort === port));
  if (!holder) return null;
  const project = holder.Labels['com.docker.compose.project'];
  return `container ${holder.Names[0]!.slice(1)}${project ? ` of project ${project}` : ''} (docker stop ${shortId(holder.Id)})`;
}
