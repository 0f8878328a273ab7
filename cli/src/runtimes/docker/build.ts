import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { CliError, EXIT } from '../../cli-error.ts';
import type { ComposeService } from './compose/compose-file.ts';
import { pullFailure } from './images.ts';

/** Label of the images that are built here: a fingerprint of their sources. */
export const INPUTS = 'io.batchsender.inputs';
/** What both services' images are made from, besides the service's own folder. */
const SHARED = [
  ...['package.json', 'package-lock.json', '.npmrc', 'tsconfig.base.json'],
  ...['cli/package.json', 'services/worker/package.json', 'services/web/package.json'],
];
const LEFT_OUT = ['node_modules', 'dist', 'test', 'bench', 'faults'];

interface BuildEvent {
  stream?: string;
  error?: string;
}

/**
 * Builds a service's image unless the one that is there was made from the same sources.
 * @returns whether it was built
 * @throws CliError `image_build_failed` with the last lines of the build
 */
export async function buildService(
  docker: Docker,
  { build, image, name }: ComposeService,
  signal: AbortSignal,
): Promise<boolean> {
  const { context, dockerfile, args } = build!;
  const files = sources(context, `services/${name}`);
  const inputs = fingerprint(context, files, args);
  const there = await docker
    .getImage(image)
    .inspect()
    .catch(() => null);
  if (there?.Config.Labels?.[INPUTS] === inputs) return false;
  const stream = await docker.buildImage(contextOf(context, files), {
    dockerfile,
    t: image,
    buildargs: args,
    labels: { [INPUTS]: inputs },
    abortSignal: signal,
  });
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error) => (error ? reject(buildFailure(image, error.message, lines)) : resolve()),
      (event: BuildEvent) => {
        if (event.stream?.trim()) lines.push(event.stream.trimEnd());
        if (event.error) reject(buildFailure(image, event.error, lines));
      },
    );
  });
  return true;
}

function sources(root: string, folder: string): string[] {
  return [...new Set([...SHARED, ...walk(root, folder)])].sort();
}

/** The same files give the same archive, to the byte: no times, no owners. */
function contextOf(root: string, files: string[]): NodeJS.ReadableStream {
  const archive = pack();
  for (const name of files) archive.entry({ name, mtime: new Date(0) }, readFileSync(join(root, name)));
  archive.finalize();
  return archive as unknown as NodeJS.ReadableStream;
}

function fingerprint(root: string, files: string[], args: Record<string, string>): string {
  const hash = createHash('sha256').update(JSON.stringify(args));
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    if (LEFT_OUT.includes(name)) return [];
    const path = `${folder}/${name}`;
    return statSync(join(root, path)).isDirectory() ? walk(root, path) : [path];
  });
}

function buildFailure(image: string, message: string, lines: string[]): CliError {
  // A base that is not there is pulled by the engine: the same causes, the same remedies.
  if (/registry|pull access|manifest/.test(message)) return pullFailure(`The base of ${image}`, message);
  return new CliError('image_build_failed', EXIT.dockerFailed, `${image} could not be built: ${message}.`, {
    evidence: lines.slice(-20),
    fix: 'The lines above are the end of the build. Or run the services as processes: --services host.',
  });
}
