import pg from 'pg';
import { inject } from 'vitest';
import { migratePostgres } from '../../src/adapters/postgres/migrate.ts';

export interface TestDatabase {
  url: string;
  pool: pg.Pool;
  drop(): Promise<void>;
}

/** A migrated database of its own. */
export async function createDatabase(name: string): Promise<TestDatabase> {
  const admin = inject('databaseUrl');
  const database = `test_${name}_${process.pid}_${Date.now()}`;
  await run(admin, `CREATE DATABASE ${database}`);
  const url = new URL(admin);
  url.pathname = `/${database}`;
  await migratePostgres(url.href);
  const pool = new pg.Pool({ connectionString: url.href, max: 4 });
  pool.on('error', () => {});
  return {
    url: url.href,
    pool,
    drop: async () => {
      await pool.end();
      await run(admin, `DROP DATABASE ${database} WITH (FORCE)`);
    },
  };
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}
