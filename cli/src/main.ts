import { Command, CommanderError, Option } from 'commander';
import { aborted, action, rendered } from './action.ts';
import { EXIT } from './cli-error.ts';
import type { ApiFlags } from './commands/api-context.ts';
import { actOnBatch, listBatches, type RetryFlags, retryBatch, showBatch } from './commands/batch.ts';
import type { StackFlags, UpFlags } from './commands/context.ts';
import { down } from './commands/down.ts';
import { env } from './commands/env.ts';
import { countsLine } from './commands/follow.ts';
import { logs } from './commands/logs.ts';
import {
  type AddFlags,
  addProvider,
  listProviders,
  removeProvider,
  resumeProvider,
  showProvider,
  testProvider,
} from './commands/provider.ts';
import { type CheckFlags, checkRecipients } from './commands/recipients.ts';
import { seed } from './commands/seed.ts';
import { type SendFlags, send } from './commands/send.ts';
import { status } from './commands/status.ts';
import { type UpResult, up } from './commands/up.ts';
import { upText } from './commands/up-text.ts';
import { table } from './output/table.ts';

const VERSION = process.env.BATCHSENDER_VERSION ?? '0.0.0';

const program = new Command('batchsender')
  .version(VERSION)
  .description('Send one message to each of many recipients, and prove who got it.')
  .option('--json', 'print results as JSON (NDJSON events while running)')
  .option('-q, --quiet', 'no progress')
  .option('--stack <name>', 'name of the stack (default: "default", or BATCHSENDER_STACK)')
  .showHelpAfterError('(see --help)')
  .exitOverride();

program
  .command('up')
  .description('bring the stack up; again to repair it')
  .option('--only <components>', 'only these, comma separated')
  .option('--without <components>', 'all but these, comma separated')
  .option('--senders <count>', 'sender processes (default: 1)')
  .option('--runtime <name>', 'docker or embedded (default: docker when an engine answers)')
  .option(
    '--services <place>',
    'host or container: where worker and dashboard run with Docker (default: host)',
  )
  .option('--image <component=image...>', 'use this image')
  .option('--image-prefix <registry>', 'mirror of Docker Hub')
  .option('--reset-password', 'give a PostgreSQL volume this stack’s password; data is kept')
  .option('--port <component=port...>', 'insist on a port')
  .option('--host <address>', 'address that worker and dashboard listen on (default: 127.0.0.1)')
  .option('--postgres-url <url>', 'use this PostgreSQL')
  .option('--nats-url <url>', 'use this NATS')
  .option('--clickhouse-url <url>', 'use this ClickHouse')
  .option('--dragonfly-url <url>', 'use this Dragonfly, Valkey or Redis')
  .option('--no-test-batch', 'do not send the test batch')
  .option('--no-open', 'do not open the dashboard')
  .option('--dry-run', 'only say what takes part')
  .option('--timings', 'say which steps decided how long it took')
  .action(
    action(async (output, flags) => {
      const options = flags as UpFlags;
      const result = await up(options, output, aborted.signal);
      output.result({ type: 'result', ...result }, upText(result, options));
      if (output.interactive && options.open !== false && !options.dryRun) await openDashboard(result);
      return EXIT.ok;
    }),
  );

program
  .command('down')
  .description('stop everything and prove that nothing is left; data stays')
  .option('-v, --volumes', 'remove the data too')
  .action(
    action(async (output, flags) => {
      const result = await down(flags as StackFlags & { volumes?: boolean });
      output.result(
        result,
        result.stopped.length
          ? `stopped ${result.stopped.join(', ')}${result.volumesRemoved ? '; data removed' : ''}`
          : `nothing was running${result.volumesRemoved ? '; data removed' : ''}`,
      );
      return EXIT.ok;
    }),
  );

program
  .command('status')
  .description('what runs, where, and as whom to log in')
  .action(
    action(async (output, flags) => {
      const result = await status(flags);
      const rows = result.components.map((one) => [
        one.title,
        one.state,
        one.container ?? (one.pid ? String(one.pid) : '-'),
        one.url ?? one.detail,
      ]);
      output.result(
        result,
        `stack ${result.stack.name} (${result.stack.id}): ${result.state}\n${table([['component', 'state', 'pid or id', 'where'], ...rows])}`,
      );
      return result.state === 'running' ? EXIT.ok : EXIT.notRunning;
    }),
  );

program
  .command('logs [component]')
  .description('last lines of one component, or of all')
  .option('-f, --follow', 'go on printing')
  .option('-n, --lines <count>', 'how many lines', '50')
  .action(
    action(async (output, flags, [component]) => {
      await logs(
        component,
        flags as StackFlags & { follow?: boolean; lines: string },
        output,
        aborted.signal,
      );
      return EXIT.ok;
    }),
  );

program
  .command('seed')
  .description('create the development account; with --batch send a test batch')
  .option('--batch <size>', 'number of recipients')
  .action(
    rendered<StackFlags & { batch?: string }>(async (flags) => {
      const result = await seed(flags);
      const account = result.created.length
        ? `created ${result.created.join(', ')}`
        : 'the development account is there';
      return {
        value: result,
        text: result.batch
          ? `${account}\nbatch ${result.batch.id} with ${result.batch.total} messages is being sent`
          : account,
      };
    }),
  );

program
  .command('env')
  .description('connection settings of the stack, as lines for a .env file')
  .action(rendered(env));

const api = (command: Command) =>
  command
    .option('--url <url>', 'worker API (default: this stack; or BATCHSENDER_URL)')
    .option('--api-key <key>', 'API key (or BATCHSENDER_API_KEY)');

const fileOptions = (command: Command) =>
  command
    .addOption(new Option('--format <format>', 'default: detected').choices(['csv', 'tsv', 'ndjson', 'json']))
    .option('--encoding <name>', 'utf-8, utf-16le, utf-16be, windows-1252, macintosh (default: detected)')
    .option('--delimiter <char>', 'default: detected')
    .option('--default-country <code>', 'country of national phone numbers')
    .option('--map <variable=COLUMN...>', 'name of a column’s variable; address=COLUMN for the address')
    .option('--consent <column>', 'column that says whether a recipient agreed')
    .addOption(new Option('--duplicates <policy>', 'which counts').choices(['first', 'last', 'all']))
    .addOption(
      new Option('--channel <channel>', 'kind of address').choices(['email', 'sms']).default('email'),
    );

fileOptions(
  api(
    program
      .command('send <file>')
      .description('send a message to every recipient in a file (- for standard input)'),
  ),
)
  .option('--from <address>', 'sender, for example "News <news@example.com>"')
  .option('--reply-to <address>')
  .option('--subject <template>')
  .option('--html <file>', 'HTML template')
  .option('--mjml <file>', 'MJML template, instead of HTML')
  .option('--text <file>', 'text template (default: made from the HTML)')
  .option('--header <name=template...>', 'custom mail header')
  .option('--attach <file...>', 'goes with every message')
  .option('--default <variable=value...>', 'for recipients that lack it')
  .option('--unsubscribe', 'one-click unsubscribe headers and {{ unsubscribe_url }}')
  .option('--track-clicks', 'links lead through the worker')
  .option('--track-opens', 'a pixel tells of opens')
  .option('--dry-run', 'preflight only: counts, samples, problems')
  .option('--provider <name>', 'default: the only one, or the one named "default"')
  .option('--name <name>', 'name of the batch')
  .option('--at <time>', 'send later: 2026-03-01T09:00:00+01:00')
  .option('--watch', 'follow it to its end (default)')
  .option('--no-watch', 'return as soon as it is being sent')
  .action(
    action(async (output, flags, [file]) => {
      const result = await send(file!, flags as SendFlags, output, aborted.signal);
      output.result(
        { type: 'result', batch: result.batch, import: result.import, preflight: result.preflight },
        result.preflight
          ? 'dry run: nothing was sent'
          : `batch ${result.batch.id} ${result.batch.state}: ${countsLine(result.batch)}`,
      );
      return result.exitCode;
    }),
  );

const batch = program.command('batch').description('look at batches and steer them');
api(batch.command('list').description('newest first'))
  .option('--limit <count>', 'rows', '20')
  .option('--cursor <id>', 'go on from there')
  .action(rendered(listBatches));
api(batch.command('show <id>').description('counts, progress, what limits it')).action(
  rendered<ApiFlags>((flags, [id]) => showBatch(id!, flags)),
);
for (const verb of ['pause', 'resume', 'cancel'] as const) {
  api(batch.command(`${verb} <id>`)).action(
    rendered<ApiFlags>((flags, [id]) => actOnBatch(verb, id!, flags)),
  );
}

api(
  batch
    .command('retry <id>')
    .description('another round for some messages, or another provider for the rest'),
)
  .option('--state <states>', 'failed, bounced, uncertain; comma separated')
  .option('--to <provider>', 'what is not sent yet goes through this provider')
  .action(rendered<RetryFlags>((flags, [id]) => retryBatch(id!, flags)));

const provider = program.command('provider').description('ways to deliver messages');
api(provider.command('add <name>').description('add one'))
  .requiredOption('--kind <kind>', 'smtp, webhook or mock')
  .option('--set <name=value...>', 'a setting')
  .option('--limit <name=value...>', 'perSecond, perMinute, perDay, concurrency')
  .action(rendered<AddFlags>((flags, [name]) => addProvider(name!, flags)));
api(provider.command('list')).action(rendered(listProviders));
api(provider.command('show <name>')).action(
  rendered<ApiFlags>((flags, [name]) => showProvider(name!, flags)),
);
api(provider.command('test <name>').description('prove that it can be reached')).action(
  rendered<ApiFlags>((flags, [name]) => testProvider(name!, flags)),
);
api(provider.command('resume <name>').description('go on after it paused itself')).action(
  rendered<ApiFlags>((flags, [name]) => resumeProvider(name!, flags)),
);
api(provider.command('remove <name>')).action(
  rendered<ApiFlags>((flags, [name]) => removeProvider(name!, flags)),
);

const recipients = program.command('recipients').description('recipient files');
fileOptions(
  recipients
    .command('check <file>')
    .description('how a file would be understood; needs no stack (- for standard input)'),
)
  .option('--json-columns <names>', 'columns that hold JSON, comma separated')
  .option('--all', 'print every accepted row (with --json)')
  .action(
    action(async (output, flags, [file]) => {
      const { value, text, exitCode } = await checkRecipients(file!, flags as unknown as CheckFlags);
      output.result(value, text);
      return exitCode;
    }),
  );

async function openDashboard(result: UpResult): Promise<void> {
  const url = result.components.find((one) => one.name === 'web')?.url;
  if (!url) return;
  const { default: open } = await import('open');
  await open(url).catch(() => {});
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
