import { setTimeout as sleep } from 'node:timers/promises';
import { type Batch, WorkerApi } from './api/worker-api.ts';
import { CliError, EXIT } from './cli-error.ts';

/** As printed in the README; the worker refuses it in production. */
export const DEVELOPMENT_KEY = 'test-api-key';
const SEED_PROVIDER = 'mock';
const TEST_BATCH_WITHIN_MS = 60_000;
const POLL_MS = 50;
const FINAL = ['completed', 'cancelled'];

/** Sends a batch through the mock provider and waits until it is delivered. */
export async function sendTestBatch(
  url: string,
  key: string,
  size: number,
  signal: AbortSignal,
): Promise<Batch> {
  const api = new WorkerApi(url, key);
  const { id } = await createTestBatch(url, key, size);
  const deadline = Date.now() + TEST_BATCH_WITHIN_MS;
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    const batch = await api.get<Batch>(`/api/batches/${id}`);
    if (FINAL.includes(batch.state)) {
      if (batch.counts.sent === batch.total) return batch;
      throw new CliError(
        'test_batch_failed',
        EXIT.messagesFailed,
        `Only ${batch.counts.sent} of ${batch.total} messages of the test batch were delivered.`,
        { fix: `See: batchsender batch show ${id}` },
      );
    }
    await sleep(POLL_MS);
  }
  throw new CliError(
    'test_batch_stuck',
    EXIT.notReady,
    `The test batch ${id} was not delivered within ${TEST_BATCH_WITHIN_MS / 1000} s.`,
    { fix: `See: batchsender batch show ${id}, batchsender logs worker` },
  );
}

export async function createTestBatch(url: string, key: string, size: number): Promise<Batch> {
  const api = new WorkerApi(url, key);
  const batch = await api.post<Batch>('/api/batches', {
    name: `Test batch of ${size}`,
    from: 'BatchSender <news@example.com>',
    provider: SEED_PROVIDER,
    template: {
      subject: 'Hello {{ name }}',
      html: '<p>Hello {{ name }}, this is message {{ number }} of your test batch.</p>',
      text: 'Hello {{ name }}, this is message {{ number }} of your test batch.',
    },
  });
  await api.upload(`/api/batches/${batch.id}/recipients`, recipients(size));
  return api.post<Batch>(`/api/batches/${batch.id}/send`);
}

const ROWS_PER_CHUNK = 5000;

function recipients(size: number): ReadableStream<Uint8Array> {
  let next = 1;
  const encoder = new TextEncoder();
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode('email,name,number\n')),
    pull(controller) {
      if (next > size) return controller.close();
      let text = '';
      for (const end = Math.min(size, next + ROWS_PER_CHUNK - 1); next <= end; next++)
        text += `user${next}@example.com,User ${next},${next}\n`;
      controller.enqueue(encoder.encode(text));
    },
  });
}
