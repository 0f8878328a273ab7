import type { CliError } from '../../cli-error.ts';
import type { Engine } from './engine.ts';
import { credentialsFor, pullFailure } from './images.ts';

interface Distribution {
  Platforms?: { architecture: string; os: string }[];
}

/**
 * Asks the registry, through the engine and with its proxy and logins, whether an image could be pulled for the
 * engine's own processor. Nothing is pulled, and it counts for no limit of pulls.
 *
 * @param architecture as images name it: "amd64", "arm64"
 * @returns null when it could
 */
export async function whyNotPullable(
  { docker }: Engine,
  image: string,
  architecture: string,
): Promise<CliError | null> {
  try {
    const answer = (await docker
      .getImage(image)
      .distribution({ authconfig: credentialsFor(image) })) as Distribution;
    const platforms = answer.Platforms?.map((one) => one.architecture) ?? [];
    if (platforms.length === 0 || platforms.includes(architecture)) return null;
    return pullFailure(image, `no matching manifest for linux/${architecture}: ${platforms.join(', ')}`);
  } catch (error) {
    // The client puts words of its own before the engine's, the same for every refusal.
    const { json, message } = error as Error & { json?: { message?: string } };
    return pullFailure(image, json?.message ?? message);
  }
}
