import type Docker from 'dockerode';
import type { StackPlan } from '../../stack/plan.ts';
import { buildService } from './build.ts';
import type { ComposeService } from './compose/compose-file.ts';
import { containerServices } from './container-services.ts';
import { type PullProgress, pullMissing } from './images.ts';

export interface FetchReport {
  pulling(progress: PullProgress): void;
  built(image: string): void;
}

/** The images of a plan: those that a registry has, and those that are built here. */
export function imagesOf(plan: StackPlan): { pulled: ComposeService[]; built: ComposeService[] } {
  const services = containerServices(plan);
  const isBuilt = ({ build, image }: ComposeService) => build !== null && image.endsWith(':local');
  return { pulled: services.filter((one) => !isBuilt(one)), built: services.filter(isBuilt) };
}

/**
 * Everything the containers need: images pulled, the services' own built.
 * @throws CliError as {@link pullMissing} and {@link buildService} do
 */
export async function fetchImages(
  docker: Docker,
  plan: StackPlan,
  report: FetchReport,
  signal: AbortSignal,
): Promise<void> {
  const { pulled, built } = imagesOf(plan);
  await pullMissing(docker, pulled, report.pulling, signal);
  for (const service of built) if (await buildService(docker, service, signal)) report.built(service.image);
}
