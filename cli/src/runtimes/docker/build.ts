import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { CliError, EXIT } from '../../cli-error.ts';
import type { ComposeService } from './compose/compose-file.ts';

const INPUTS = 'io.batchsender.inputs';
/** What an image of a service is made from; folders are read whole. */
const SOURCES = ['package.json', 'package-lock.json', 'tsconfig.base.json', '.dockerignore'];

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
  const inputs = fingerprint(context, `services/${name}`, args);
  const there = await docker
    .getImage(image)
    .inspect()
    .catch(() => null);
  if (there?.Config.Labels?.[INPUTS] === inputs) return false;
  const stream = await docker.buildImage(
    { context, src: ['.'] },
    { dockerfile, t: image, buildargs: args, labels: { [INPUTS]: inputs }, abortSignal: signal },
  );
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

function fingerprint(root: string, folder: string, args: Record<string, string>): string {
  const hash = createHash('sha256').update(JSON.stringify(args));
  const files = [...SOURCES, ...walk(root, folder)];
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    if (['node_modules', 'dist', 'test', 'bench', 'faults'].includes(name)) return [];
    const path = `${folder}/${name}`;
    return statSync(join(root, path)).isDirectory() ? walk(root, path) : [path];
  });
}

function buildFailure(image: string, message: string, lines: string[]): CliError {
  return new CliError('image_build_failed', EXIT.dockerFailed, `${image} could not be built: ${message}.`, {
    evidence: lines.slice(-20),
    fix: 'The lines above are the end of the build. Or run the services as processes: --services host.',
  });
}
