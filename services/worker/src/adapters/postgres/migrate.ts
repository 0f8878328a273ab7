import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';

const MIGRATIONS_TABLE = 'schema_migrations';
export const MIGRATIONS_DIR = join(packageRoot(), 'migrations');

/** The folder of this package, whose depth differs between src/ and dist/. */
function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** Applies what is missing, under a lock, and returns the names of what was applied. */
export async function migratePostgres(url: string, dir = `${MIGRATIONS_DIR}/postgres`): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'batchsender migrate' });
  await client.connect();
  try {
    const applied = await runner({
      dbClient: client,
      dir,
      direction: 'up',
      migrationsTable: MIGRATIONS_TABLE,
      singleTransaction: true,
      log: () => {},
    });
    return applied.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}
