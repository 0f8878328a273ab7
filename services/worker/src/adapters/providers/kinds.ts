import type { z } from 'zod';
import type { ProviderConfig } from '../../pipeline/chunk-store.ts';
import type { Provider } from '../../pipeline/provider.ts';
import { EVENT_SECRETS } from './event-settings.ts';
import { type MockInbox, MockProvider, MockSettings } from './mock/mock.ts';
import { SmtpProvider, SmtpSettings } from './smtp/smtp.ts';
import { WebhookProvider, WebhookSettings } from './webhook/webhook.ts';

export interface ProviderKind {
  settings: z.ZodObject;
  /** Names of settings that are encrypted at rest and never shown. */
  secrets: readonly string[];
  channels: readonly string[];
  create(config: ProviderConfig): Provider;
}

/** Every kind of provider, by the name that users write. */
export function providerKinds(inbox: MockInbox): Record<string, ProviderKind> {
  return {
    mock: {
      settings: MockSettings,
      secrets: [],
      channels: ['email', 'sms'],
      create: (config) => new MockProvider(config, inbox),
    },
    smtp: {
      settings: SmtpSettings,
      secrets: ['password', 'dkimPrivateKey', ...EVENT_SECRETS],
      channels: ['email'],
      create: (config) => new SmtpProvider(config),
    },
    webhook: {
      settings: WebhookSettings,
      secrets: ['authorization', ...EVENT_SECRETS],
      channels: ['email', 'sms'],
      create: (config) => new WebhookProvider(config),
    },
  };
}
