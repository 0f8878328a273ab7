import { Command, CommanderError } from 'commander';
import { EXIT } from './cli-error.ts';
import { sendingCommands } from './sending-commands.ts';
import { stackCommands } from './stack-commands.ts';
import { VERSION } from './version.ts';

const program = new Command('batchsender')
  .version(VERSION)
  .description('Send one message to each of many recipients, and prove who got it.')
  .option('--json', 'print results as JSON (NDJSON events while running)')
  .option('-q, --quiet', 'no progress')
  .option('--stack <name>', 'name of the stack (default: "default", or BATCHSENDER_STACK)')
  .showHelpAfterError('(see --help)')
  .exitOverride();

stackCommands(program);
sendingCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
