import type { Command } from 'commander';
import { EXIT } from './cli-error.ts';
import type { Rendered } from './commands/batch.ts';
import type { StackFlags } from './commands/context.ts';
import { Output } from './output/output.ts';

/** First INT, TERM or HUP aborts; a second one ends the process. */
export const aborted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (aborted.signal.aborted) process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
    aborted.abort(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  });
}

type Flags = StackFlags & { json?: boolean; quiet?: boolean };

/** Runs a command with all its flags, global ones included, and turns what it throws into an exit code. */
export function action(run: (output: Output, flags: Flags, args: string[]) => Promise<number | undefined>) {
  return async (...given: unknown[]) => {
    const command = given.at(-1) as Command;
    const flags = command.optsWithGlobals<Flags>();
    const output = new Output({ json: flags.json === true, quiet: flags.quiet === true });
    try {
      process.exitCode = (await run(output, flags, command.args)) ?? EXIT.ok;
    } catch (error) {
      process.exitCode = output.failure(error);
    }
  };
}

export const rendered = <F extends Flags>(run: (flags: F, args: string[]) => Promise<Rendered<object>>) =>
  action(async (output, flags, args) => {
    const { value, text } = await run(flags as F, args);
    output.result(value, text);
    return EXIT.ok;
  });
