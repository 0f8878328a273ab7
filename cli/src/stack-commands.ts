import type { Command } from 'commander';
import { aborted, action, rendered } from './action.ts';
import { EXIT } from './cli-error.ts';
import type { StackFlags, UpFlags } from './commands/context.ts';
import { type DoctorFlags, doctor, listChecks } from './commands/doctor.ts';
import { doctorText, listText } from './commands/doctor-text.ts';
import { down } from './commands/down.ts';
import { env } from './commands/env.ts';
import { logs } from './commands/logs.ts';
import { seed } from './commands/seed.ts';
import { status } from './commands/status.ts';
import { type UpResult, up } from './commands/up.ts';
import { upText } from './commands/up-text.ts';
import { table } from './output/table.ts';

/** Bringing a stack up, looking at it, and taking it down. */
export function stackCommands(program: Command): void {
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
          one.outdated ? 'running (old)' : one.state,
          one.container ?? (one.pid ? String(one.pid) : '-'),
          one.url ?? one.detail,
        ]);
        output.result(
          result,
          [
            `stack ${result.stack.name} (${result.stack.id}): ${result.state}`,
            table([['component', 'state', 'pid or id', 'where'], ...rows]),
            ...(result.components.some(({ outdated }) => outdated)
              ? ['(old): an older build or other settings; batchsender up starts it again']
              : []),
          ].join('\n'),
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
    .command('doctor [checks...]')
    .description('find what is wrong, and say what to do')
    .option('--list', 'which checks there are')
    .option('--deep', 'also those that send, or ask servers elsewhere')
    .option('--fix', 'mend what can be mended, after a question')
    .option('--yes', 'with --fix: do not ask')
    .option('--bundle [file]', 'write an archive for somebody who helps, without secrets')
    .action(
      action(async (output, flags, checks) => {
        if ((flags as DoctorFlags).list) {
          const list = listChecks();
          output.result({ checks: list }, listText(list));
          return EXIT.ok;
        }
        const result = await doctor(checks, flags as DoctorFlags, output);
        output.result(result, doctorText(result, checks.length > 0));
        return result.exitCode;
      }),
    );

  program
    .command('env')
    .description('connection settings of the stack, as lines for a .env file')
    .action(rendered(env));
}

async function openDashboard(result: UpResult): Promise<void> {
  const url = result.components.find((one) => one.name === 'web')?.url;
  if (!url) return;
  const { default: open } = await import('open');
  await open(url).catch(() => {});
}
