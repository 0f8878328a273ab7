import { type Command, Option } from 'commander';
import { aborted, action, rendered } from './action.ts';
import type { ApiFlags } from './commands/api-context.ts';
import { actOnBatch, listBatches, type RetryFlags, retryBatch, showBatch } from './commands/batch.ts';
import { explain } from './commands/explain.ts';
import { countsLine } from './commands/follow.ts';
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
import { type SendFlags, send } from './commands/send.ts';

/** Sending files, and looking at batches and providers. */
export function sendingCommands(program: Command): void {
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

  api(
    program
      .command('explain <id>')
      .description('in words: what became of a batch or a message, what it waits for, what to do'),
  ).action(rendered<ApiFlags>((flags, [id]) => explain(id!, flags)));

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
}

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
