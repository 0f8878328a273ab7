import type { CliError } from '../../cli-error.ts';
import type { Engine } from './engine.ts';
import { ARCHITECTURE, credentialsFor, pullFailure } from './images.ts';

interface Distribution {
  Platforms?: { architecture: string; os: string }[];
}

/**
 * Asks the registry, through the engine and with its proxy and logins, whether an image could be pulled for the
 * engine's own processor. Nothing is pulled, and it counts for no limit of pulls.
 *
 * @returns null when it could
 */
export async function whyNotPullable({ docker }: Engine, image: string): Promise<CliError | null> {
  try {
    const answer = (await docker
      .getImage(image)
      .distribution({ authconfig: credentialsFor(image) })) as Distribution;
    const platforms = answer.Platforms?.map((one) => one.architecture) ?? [];
    if (platforms.length === 0 || platforms.includes(ARCHITECTURE)) return null;
    return pullFailure(image, `no matching manifest for linux/${ARCHITECTURE}: ${platforms.join(', ')}`);
  } catch (error) {
    // The client puts words of its own before the engine's, the same for every refusal.
    const { json, message } = error as Error & { json?: { message?: string } };
    return pullFailure(image, json?.message ?? message);
  }
}
