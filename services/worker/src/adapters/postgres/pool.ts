import pg from 'pg';

/** COUNT and sums come as bigint; ours stay far below 2^53. */
pg.types.setTypeParser(pg.types.builtins.INT8, Number);
pg.types.setTypeParser(pg.types.builtins.NUMERIC, Number);

export type Pool = pg.Pool;
export type Client = pg.PoolClient;
/** A pool, or a connection with a transaction open. */
export type Queryable = Pick<pg.Pool, 'query'>;
export type QueryConfig = pg.QueryConfig<unknown[]>;

const CONNECT_TIMEOUT_MS = 10_000;

export interface PoolOptions {
  max: number;
  name: string;
  /** Milliseconds; statements over it are cancelled. 0 for none. */
  statementTimeoutMs?: number;
}

export function createPool(url: string, options: PoolOptions, onError: (error: Error) => void): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    application_name: `batchsender ${options.name}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: options.statementTimeoutMs || undefined,
    keepAlive: true,
  });
  // A server restart breaks idle connections; the pool replaces them.
  pool.on('error', onError);
  return pool;
}

/** Runs `work` in one transaction; any error rolls back. */
export async function transaction<T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // The pool listens only while a connection is idle; without a listener a lost one would end the process.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** SQLSTATE of a PostgreSQL error, or null. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}
