import { z } from 'zod';
import { accepted, deferred, failed, type Outcome } from '../../../domain/outcome.ts';
import { sleep } from '../../../lifecycle.ts';
import type { ProviderConfig } from '../../../pipeline/chunk-store.ts';
import type { OutgoingMessage, Provider } from '../../../pipeline/provider.ts';

const share = (what: string) => z.coerce.number().min(0).max(1).default(0).describe(what);

export const MockSettings = z.strictObject({
  latencyMs: z.coerce
    .number()
    .int()
    .min(0)
    .max(600_000)
    .default(0)
    .describe('how long each message takes, milliseconds'),
  failureRate: share('share of messages that fail for good, 0 to 1'),
  deferRate: share('share of attempts that are refused for now, 0 to 1'),
});

/** Keeps messages for viewing; implemented on PostgreSQL. */
export interface MockInbox {
  keep(providerId: string, messages: OutgoingMessage[]): Promise<void>;
}

const KEPT = 100;
const FLUSH_MS = 250;
const DEFAULT_CONCURRENCY = 256;

/** Delivers nowhere: for trying things out. Keeps the last messages, as they were rendered, for viewing. */
export class MockProvider implements Provider {
  readonly defaultConcurrency = DEFAULT_CONCURRENCY;
  readonly idempotent = true;
  private readonly settings: z.infer<typeof MockSettings>;
  private readonly id: string;
  private readonly inbox: MockInbox;
  private newest: OutgoingMessage[] = [];
  private timer: NodeJS.Timeout | null = null;

  constructor(config: ProviderConfig, inbox: MockInbox) {
    this.settings = MockSettings.parse(config.settings);
    this.id = config.id;
    this.inbox = inbox;
  }

  async send(message: OutgoingMessage): Promise<Outcome> {
    const { latencyMs, failureRate, deferRate } = this.settings;
    if (latencyMs > 0) await sleep(latencyMs);
    if (failureRate > 0 && Math.random() < failureRate)
      return failed('mock_failure', 'the mock provider was told to fail some messages');
    if (deferRate > 0 && Math.random() < deferRate)
      return deferred('mock_deferral', 'the mock provider was told to defer some attempts', 1000);
    this.keep(message);
    return accepted(`mock-${message.id}`);
  }

  async test(): Promise<string> {
    return 'the mock provider always works';
  }

  async close(): Promise<void> {
    await this.flush();
  }

  private keep(message: OutgoingMessage): void {
    this.newest.push(message);
    if (this.newest.length > 2 * KEPT) this.newest = this.newest.slice(-KEPT);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  private async flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const messages = this.newest.slice(-KEPT);
    this.newest = [];
    // Viewing is a convenience: sending must not suffer when it fails.
    if (messages.length) await this.inbox.keep(this.id, messages).catch(() => {});
  }
}
