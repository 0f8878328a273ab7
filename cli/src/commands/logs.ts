import { CliError, EXIT } from '../cli-error.ts';
import { COMPONENT_NAMES, componentNamed, componentsFor } from '../components/all.ts';
import type { Output } from '../output/output.ts';
import { openStack, runtimesOf, type StackFlags } from './context.ts';

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
  const runtimes = await runtimesOf(stack);
  const print = (component: string, line: string) => {
    if (output.json) process.stdout.write(`${JSON.stringify({ component, line })}\n`);
    else process.stdout.write(name ? `${line}\n` : `${component.padEnd(10)} ${line}\n`);
  };
  const asked = componentsFor(senders).filter((component) => !name || component.name === name);
  const found = [];
  for (const component of asked) {
    const lines = await runtimes.of(component).tail(component, stack, Number(flags.lines));
    if (lines === null) continue;
    found.push(component);
    for (const line of lines) print(component.name, line);
  }
  if (found.length === 0) {
    throw new CliError(
      'no_logs',
      EXIT.notFound,
      name ? `${name} has no log yet.` : 'The stack has no logs yet.',
      { fix: 'Start it with: batchsender up' },
    );
  }
  if (!flags.follow) return;
  await Promise.all(
    found.map((component) =>
      runtimes.of(component).follow(component, stack, (line) => print(component.name, line), signal),
    ),
  );
}
