import { readdir, readFile } from 'node:fs/promises';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import type { EventCount, EventQuery, EventStore } from '../../http/stores.ts';
import type { OutboxPayload } from '../../pipeline/chunk-store.ts';
import type { EventSink } from '../../pipeline/tracker.ts';

const REQUEST_TIMEOUT_MS = 30_000;

export function createClickHouse(url: string): ClickHouseClient {
  return createClient({ url, request_timeout: REQUEST_TIMEOUT_MS, application: 'batchsender' });
}

/** Applies every schema file; each statement is safe to repeat. */
export async function migrateClickHouse(client: ClickHouseClient, dir: string): Promise<string[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith('.sql')).sort();
  for (const file of files) await client.command({ query: await readFile(`${dir}/${file}`, 'utf8') });
  return files;
}

export class ClickHouseEvents implements EventSink, EventStore {
  private readonly client: ClickHouseClient;

  constructor(client: ClickHouseClient) {
    this.client = client;
  }

  async insert(payloads: OutboxPayload[]): Promise<void> {
    await this.client.insert({ table: 'events', values: payloads.flatMap(rows), format: 'JSONEachRow' });
  }

  async events(accountId: string, query: EventQuery): Promise<EventCount[]> {
    const result = await this.client.query({
      query: `SELECT toStartOfInterval(at, toIntervalSecond({step:UInt32}), 'UTC') AS bucket, type, count() AS count
        FROM events FINAL
        WHERE account_id = {account:UUID} AND at >= {from:DateTime64(3)} AND at < {to:DateTime64(3)}
          ${query.batchId ? 'AND batch_id = {batch:UUID}' : ''}
        GROUP BY bucket, type ORDER BY bucket, type`,
      query_params: {
        account: accountId,
        from: stamp(query.from),
        to: stamp(query.to),
        step: query.stepSeconds,
        batch: query.batchId,
      },
      format: 'JSONEachRow',
    });
    const found = await result.json<{ bucket: string; type: string; count: string }>();
    return found.map((row) => ({
      at: `${row.bucket.replace(' ', 'T')}Z`,
      type: row.type,
      count: Number(row.count),
    }));
  }

  async ping(): Promise<void> {
    await this.client.query({ query: 'SELECT 1', format: 'JSONEachRow' }).then((result) => result.text());
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

function rows(payload: OutboxPayload): Record<string, unknown>[] {
  const { accountId, batchId, provider, channel } = payload;
  const at = stamp(new Date(payload.at));
  return payload.n.map((n, i) => ({
    account_id: accountId,
    batch_id: batchId,
    n,
    attempt: payload.attempt[i],
    type: payload.type[i],
    provider,
    channel,
    code: payload.code[i],
    at,
  }));
}

/** ClickHouse reads DateTime64 without a zone letter. */
function stamp(date: Date): string {
  return date.toISOString().replace('T', ' ').replace('Z', '');
}
