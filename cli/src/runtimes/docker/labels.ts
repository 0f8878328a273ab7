import type { Stack } from '../../stack/stack.ts';
import { COMPOSE_FILE } from './compose/compose-file.ts';

const OURS = 'io.batchsender';
export const LABEL = {
  stack: `${OURS}.stack`,
  stackName: `${OURS}.stack-name`,
  component: `${OURS}.component`,
  checkout: `${OURS}.checkout`,
  spec: `${OURS}.spec`,
  /** Hash of the password that a volume was initialised with. */
  secret: `${OURS}.secret`,
  /** Major version of PostgreSQL that a volume was initialised with. */
  major: `${OURS}.major`,
} as const;

/** Name of everything of a stack in the engine, and its project for Compose. */
export function projectOf(stack: Stack): string {
  return `batchsender-${stack.name}-${stack.id}`;
}

/** Ours, by which we find things, and Compose's, by which its command and desktop tools group them. */
export function labelsFor(stack: Stack, component?: string): Record<string, string> {
  return {
    [LABEL.stack]: stack.id,
    [LABEL.stackName]: stack.name,
    [LABEL.checkout]: stack.state.checkout,
    ...(component ? { [LABEL.component]: component } : {}),
    'com.docker.compose.project': projectOf(stack),
  };
}

export function composeContainerLabels(
  stack: Stack,
  component: string,
  spec: string,
): Record<string, string> {
  return {
    ...labelsFor(stack, component),
    [LABEL.spec]: spec,
    'com.docker.compose.service': component,
    'com.docker.compose.container-number': '1',
    'com.docker.compose.oneoff': 'False',
    'com.docker.compose.config-hash': spec,
    'com.docker.compose.project.working_dir': stack.state.checkout,
    'com.docker.compose.project.config_files': COMPOSE_FILE,
    // Without a version Compose's own command does not list it.
    'com.docker.compose.version': '2.0.0',
  };
}
