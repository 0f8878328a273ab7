import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';

export interface PullProgress {
  image: string;
  /** Bytes so far and in all, as far as the layers have told; 0 before they have. */
  currentBytes: number;
  totalBytes: number;
  /** Seconds left at the speed so far; null while unknown. */
  etaSeconds: number | null;
  done: boolean;
}

interface LayerEvent {
  id?: string;
  status?: string;
  progressDetail?: { current?: number; total?: number };
  error?: string;
}

/** Node's names of processor architectures where images have others. */
const IMAGE_NAMES: Record<string, string> = { x64: 'amd64', ia32: '386' };
/** This machine's, as images name it: "amd64", "arm64". */
export const ARCHITECTURE = IMAGE_NAMES[process.arch] ?? process.arch;

/** Id of a local image; null when it is not there. */
export async function imageId(docker: Docker, image: string): Promise<string | null> {
  try {
    return (await docker.getImage(image).inspect()).Id;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return null;
    throw error;
  }
}

/**
 * Pulls what is missing, all side by side, the biggest first. Nothing else is done before all are there.
 *
 * @param images with the size of their download, about, for the order
 * @throws CliError for the first that fails: `image_network`, `image_not_found`, `image_rate_limited`,
 *   `image_denied`, `image_platform`, `image_pull_failed`
 */
export async function pullMissing(
  docker: Docker,
  images: { image: string; downloadMb: number }[],
  report: (progress: PullProgress) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const missing = [];
  for (const one of images) if ((await imageId(docker, one.image)) === null) missing.push(one);
  missing.sort((a, b) => b.downloadMb - a.downloadMb);
  const unique = [...new Set(missing.map(({ image }) => image))];
  await Promise.all(unique.map((image) => pull(docker, image, report, signal)));
  return unique;
}

async function pull(
  docker: Docker,
  image: string,
  report: (progress: PullProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const stream = (await docker.pull(image, {
      abortSignal: signal,
      authconfig: credentialsFor(image),
    })) as NodeJS.ReadableStream;
    await follow(docker, stream, image, report);
  } catch (error) {
    signal.throwIfAborted();
    throw pullFailure(image, (error as Error).message);
  }
}

function follow(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  image: string,
  report: (progress: PullProgress) => void,
): Promise<void> {
  const began = performance.now();
  const layers = new Map<string, { current: number; total: number }>();
  const tell = (done: boolean) => {
    const all = [...layers.values()];
    const currentBytes = all.reduce((sum, layer) => sum + layer.current, 0);
    const totalBytes = all.reduce((sum, layer) => sum + layer.total, 0);
    const perSecond = currentBytes / Math.max(0.001, (performance.now() - began) / 1000);
    const etaSeconds = perSecond > 0 ? Math.round((totalBytes - currentBytes) / perSecond) : null;
    report({ image, currentBytes, totalBytes, etaSeconds, done });
  };
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error, output: LayerEvent[]) => {
        const failed = error ?? output?.find((event) => event.error);
        if (failed) reject(new Error(error?.message ?? (failed as LayerEvent).error));
        else {
          tell(true);
          resolve();
        }
      },
      (event: LayerEvent) => {
        const { current, total } = event.progressDetail ?? {};
        if (event.id && total !== undefined && event.status === 'Downloading')
          layers.set(event.id, { current: current ?? 0, total });
        tell(false);
      },
    );
  });
}

/** Login of the docker command for the image's registry, when it is kept in its file; helpers are not asked. */
export function credentialsFor(
  image: string,
): { username: string; password: string; serveraddress: string } | undefined {
  const first = image.split('/')[0]!;
  const registry = /[.:]/.test(first) && image.includes('/') ? first : 'https://index.docker.io/v1/';
  try {
    const file = join(process.env.DOCKER_CONFIG ?? join(homedir(), '.docker'), 'config.json');
    const { auths } = JSON.parse(readFileSync(file, 'utf8')) as { auths?: Record<string, { auth?: string }> };
    const [username = '', password = ''] = Buffer.from(auths?.[registry]?.auth ?? '', 'base64')
      .toString()
      .split(':');
    return username ? { username, password, serveraddress: registry } : undefined;
  } catch {
    return undefined;
  }
}

/** What the engine says, as a class of cause with its own remedy. Its words are all there is to tell them apart. */
export function pullFailure(image: string, text: string): CliError {
  const embedded = 'Or work without Docker: --runtime embedded.';
  const failure = (id: string, exitCode: number, why: string, fix: string) =>
    new CliError(id, exitCode, `${image} could not be pulled: ${why}.`, {
      fix: `${fix} ${embedded}`,
      evidence: [text],
    });
  if (/toomanyrequests|rate limit/i.test(text))
    return failure(
      'image_rate_limited',
      EXIT.imageUnreachable,
      'the registry’s limit for pulls is used up',
      'Log in (docker login) for a higher one, or set --image-prefix to a mirror.',
    );
  if (/no matching manifest|does not match the (specified|detected) (host )?platform/i.test(text))
    return failure(
      'image_platform',
      EXIT.imageNotFound,
      `there is none for this machine (${process.arch})`,
      'Name another one with --image COMPONENT=IMAGE.',
    );
  if (
    /manifest unknown|not found|does not exist|no such image|invalid reference/i.test(text) &&
    !/lookup|dial/.test(text)
  )
    return failure(
      'image_not_found',
      EXIT.imageNotFound,
      'the registry has no image of that name and version',
      'Check the name, or name another one with --image COMPONENT=IMAGE.',
    );
  if (/unauthorized|authentication required|access denied|denied:|forbidden/i.test(text))
    return failure(
      'image_denied',
      EXIT.imageDenied,
      'the registry wants a login',
      'Run docker login for it.',
    );
  if (
    /lookup |no such host|dial tcp|i\/o timeout|Client\.Timeout|TLS handshake|connection re|network is unreachable|proxyconnect|EOF/i.test(
      text,
    )
  )
    return failure(
      'image_network',
      EXIT.imageUnreachable,
      'the registry cannot be reached',
      'Check the network and the engine’s proxy (docker info), or set --image-prefix to a mirror.',
    );
  return failure('image_pull_failed', EXIT.imageUnreachable, 'the engine refused', 'Its answer is above.');
}
