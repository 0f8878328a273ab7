import { createReadStream, existsSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, EXIT } from '../cli-error.ts';
import { COMPONENT_NAMES, componentNamed, componentsFor } from '../components/all.ts';
import type { Output } from '../output/output.ts';
import { tail } from '../runtimes/embedded/process.ts';
import type { Stack } from '../stack/stack.ts';
import { openStack, type StackFlags } from './context.ts';

const FOLLOW_MS = 250;

/** Prints the last lines of one component, or of all with their names, and follows them with -f. */
export async function logs(
  name: string | undefined,
  flags: StackFlags & { follow?: boolean; lines: string },
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const stack = openStack(flags);
  const { senders } = stack.state.selection;
  if (name !== undefined && !componentNamed(name, senders)) {
    throw new CliError('component_unknown', EXIT.usage, `There is no component "${name}".`, {
      fix: `Use one of: ${COMPONENT_NAMES.join(', ')}.`,
    });
  }
  const names = name
    ? [name]
    : componentsFor(senders)
        .map((component) => component.name)
        .filter((one) => existsSync(stack.logFile(one)));
  if (names.length === 0 || (name && !existsSync(stack.logFile(name)))) {
    throw new CliError(
      'no_logs',
      EXIT.notFound,
      name ? `${name} has no log yet.` : 'The stack has no logs yet.',
      { fix: 'Start it with: batchsender up' },
    );
  }
  const print = (component: string, line: string) => {
    if (output.json) process.stdout.write(`${JSON.stringify({ component, line })}\n`);
    else process.stdout.write(name ? `${line}\n` : `${component.padEnd(10)} ${line}\n`);
  };
  for (const one of names) for (const line of tail(stack.logFile(one), Number(flags.lines))) print(one, line);
  if (flags.follow) await Promise.all(names.map((one) => follow(stack, one, print, signal)));
}

async function follow(
  stack: Stack,
  component: string,
  print: (component: string, line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const file = stack.logFile(component);
  let position = existsSync(file) ? statSync(file).size : 0;
  let rest = '';
  while (!signal.aborted) {
    const size = existsSync(file) ? statSync(file).size : 0;
    if (size < position) position = 0;
    if (size > position) {
      for await (const chunk of createReadStream(file, { start: position, end: size - 1, encoding: 'utf8' }))
        rest += chunk;
      position = size;
      const lines = rest.split('\n');
      rest = lines.pop()!;
      for (const line of lines) print(component, line);
    }
    await sleep(FOLLOW_MS, undefined, { signal }).catch(() => {});
  }
}
