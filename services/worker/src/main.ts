import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { Command, CommanderError, Option } from 'commander';
import { createClickHouse, migrateClickHouse } from './adapters/clickhouse/events.ts';
import { SystemDns } from './adapters/dns/dns.ts';
import { PostgresAccounts } from './adapters/postgres/accounts.ts';
import { inspect } from './adapters/postgres/inspection.ts';
import { MIGRATIONS_DIR, migratePostgres } from './adapters/postgres/migrate.ts';
import { createPool } from './adapters/postgres/pool.ts';
import { PostgresProviders } from './adapters/postgres/providers.ts';
import { SecretBox } from './adapters/postgres/secret-box.ts';
import { ConfigError, describeEnvironment, readConfig } from './config.ts';
import { CHANNELS } from './domain/channel.ts';
import { AppError } from './domain/errors.ts';
import { checkRecipients } from './domain/recipients/check.ts';
import { parseColumnMap } from './domain/recipients/column-map.ts';
import { encodingOf } from './domain/recipients/encoding.ts';
import { RECIPIENT_FORMATS } from './domain/recipients/reader.ts';
import { checkSenderDomain } from './domain/sender-domain.ts';
import { DUPLICATE_POLICIES, type DuplicatePolicy } from './http/stores.ts';
import { metricsDocument } from './metrics/document.ts';
import { openApiDocument } from './openapi.ts';
import { seed } from './seed.ts';
import { serve } from './serve.ts';
import { VERSION } from './version.ts';

/** Exit codes, from the table in docs/exit-codes.md. */
const EXIT = { failed: 1, usage: 2, config: 84, data: 71 } as const;

const program = new Command('batchsender-worker')
  .version(VERSION)
  .description('API and send pipeline of BatchSender')
  .exitOverride();

program
  .command('serve')
  .description('run the roles of this process until SIGTERM')
  .addOption(new Option('--roles <roles>', 'api,planner,sender,tracker').env('ROLES'))
  .action(async ({ roles }: { roles?: string }) => {
    const worker = await serve(readConfig({ ...process.env, ...(roles ? { ROLES: roles } : {}) }));
    const stop = () => {
      worker.stop().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  });

program
  .command('migrate')
  .description('bring PostgreSQL and ClickHouse to the current schema')
  .action(async () => {
    const config = readConfig(process.env);
    const postgres = await migratePostgres(config.DATABASE_URL);
    const clickhouse = config.CLICKHOUSE_URL ? await migrateEvents(config.CLICKHOUSE_URL) : [];
    print({ postgres, clickhouse });
  });

program
  .command('seed')
  .description('create the development user, API key and mock provider')
  .action(async () => {
    const config = readConfig(process.env);
    if (config.NODE_ENV === 'production')
      throw new AppError(
        'seed_refused',
        403,
        'Development credentials are not created when NODE_ENV=production.',
      );
    const pool = createPool(config.DATABASE_URL, { max: 1, name: 'seed' }, () => {});
    try {
      print(
        await seed(
          new PostgresAccounts(pool, true),
          new PostgresProviders(pool, new SecretBox(config.SECRET_KEY)),
        ),
      );
    } finally {
      await pool.end();
    }
  });

program
  .command('inspect')
  .description('what an operator wants to know: migrations, senders, queues, paused providers, …')
  .option('--domains', 'ask the DNS about the sender domains too')
  .action(async ({ domains }: { domains?: boolean }) => {
    const config = readConfig(process.env);
    const pool = createPool(config.DATABASE_URL, { max: 1, name: 'inspect' }, () => {});
    try {
      const inspection = await inspect(pool, new SecretBox(config.SECRET_KEY));
      const dns = new SystemDns(config.DNS_SERVERS);
      const senderChecks = domains
        ? await Promise.all(inspection.senderDomains.map((domain) => checkSenderDomain(domain, null, dns)))
        : [];
      print({ ...inspection, senderChecks, production: config.NODE_ENV === 'production' });
    } finally {
      await pool.end();
    }
  });

program
  .command('openapi')
  .description('print the OpenAPI document')
  .option('--check <file>', 'fail when the file is not up to date')
  .option('--write <file>', 'write the file')
  .action(async (target: GeneratedFile) =>
    generate(`${JSON.stringify(await openApiDocument(), null, 2)}\n`, target, 'npm run openapi'),
  );

program
  .command('metrics')
  .description('print the documentation of the metrics')
  .option('--check <file>', 'fail when the file is not up to date')
  .option('--write <file>', 'write the file')
  .action((target: GeneratedFile) => generate(metricsDocument(), target, 'npm run docs:metrics'));

program
  .command('config')
  .description('list the environment variables')
  .action(() => print(describeEnvironment()));

program
  .command('check-recipients')
  .description('say how a recipient file would be understood')
  .argument('<file>', 'file, or - for standard input')
  .addOption(new Option('--channel <channel>').choices(CHANNELS).default('email'))
  .addOption(new Option('--format <format>').choices(RECIPIENT_FORMATS))
  .option('--encoding <name>')
  .option('--delimiter <char>')
  .option('--default-country <code>')
  .option('--map <mapping...>', 'VARIABLE=COLUMN')
  .option('--consent <column>')
  .addOption(new Option('--duplicates <policy>').choices(DUPLICATE_POLICIES).default('first'))
  .option('--json-columns <names>')
  .option('--all', 'print every accepted row')
  .action(async (file: string, options: CheckFlags) => {
    const encoding = options.encoding ? encodingOf(options.encoding) : undefined;
    if (encoding === null)
      throw new AppError('encoding_unknown', 400, `The encoding "${options.encoding}" is not known.`, {
        fix: 'Use utf-8, utf-16le, utf-16be, windows-1252 or macintosh.',
      });
    const source = file === '-' ? process.stdin : createReadStream(file);
    const check = await checkRecipients(
      source,
      {
        channel: options.channel,
        format: options.format,
        encoding,
        delimiter: options.delimiter === '\\t' ? '\t' : options.delimiter,
        defaultCountry: options.defaultCountry,
        ...parseColumnMap(options.map ?? []),
        consentColumn: options.consent,
        jsonColumns: options.jsonColumns?.split(','),
      },
      options.all ? Number.POSITIVE_INFINITY : CHECK_KEEPS,
      options.duplicates === 'all',
    );
    print(check);
  });

const CHECK_KEEPS = 1000;

interface CheckFlags {
  channel: (typeof CHANNELS)[number];
  format?: (typeof RECIPIENT_FORMATS)[number];
  encoding?: string;
  delimiter?: string;
  defaultCountry?: string;
  map?: string[];
  jsonColumns?: string;
  consent?: string;
  duplicates: DuplicatePolicy;
  all?: boolean;
}

interface GeneratedFile {
  check?: string;
  write?: string;
}

async function generate(text: string, { check, write }: GeneratedFile, fix: string): Promise<void> {
  if (write) await writeFile(write, text);
  else if (!check) process.stdout.write(text);
  else if ((await readFile(check, 'utf8').catch(() => '')) !== text)
    throw new AppError('generated_file_stale', 1, `${check} is not up to date.`, { fix: `Run: ${fix}` });
}

async function migrateEvents(url: string): Promise<string[]> {
  const client = createClickHouse(url);
  try {
    return await migrateClickHouse(client, `${MIGRATIONS_DIR}/clickhouse`);
  } finally {
    await client.close();
  }
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** One line of JSON on stderr, so that the CLI can show it as its own. */
function fail(error: unknown): never {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT.usage);
  const known =
    error instanceof AppError
      ? error.toJSON()
      : error instanceof ConfigError
        ? { code: error.code, message: error.message }
        : null;
  const body = known ?? {
    code: (error as { code?: string }).code ?? 'internal',
    message: (error as Error).message || String(error),
  };
  process.stderr.write(`${JSON.stringify({ error: body })}\n`);
  process.exit(error instanceof ConfigError ? EXIT.config : known ? EXIT.failed : EXIT.data);
}

program.parseAsync().catch(fail);
