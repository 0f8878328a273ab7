import type { PostgresAccounts } from './adapters/postgres/accounts.ts';
import type { PostgresProviders } from './adapters/postgres/providers.ts';
import { AppError } from './domain/errors.ts';

/** Development credentials, as the README prints them; refused when NODE_ENV=production. */
export const SEED = {
  email: 'test@example.com',
  password: 'test123',
  apiKey: 'test-api-key',
  provider: 'mock',
};

export interface SeedResult {
  accountId: string;
  created: string[];
}

/** The development account with its user, API key and mock provider; safe to run twice. */
export async function seed(accounts: PostgresAccounts, providers: PostgresProviders): Promise<SeedResult> {
  const created: string[] = [];
  let accountId = await accounts.accountOfUser(SEED.email);
  if (!accountId) {
    accountId = await accounts.createAccount('Development');
    await accounts.createUser(accountId, SEED.email, SEED.password, true);
    created.push(`user ${SEED.email}`);
  }
  if (await accounts.createKey(accountId, 'development', SEED.apiKey, true)) created.push('API key');
  try {
    await providers.find(accountId, SEED.provider);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await providers.create(accountId, {
      name: SEED.provider,
      kind: 'mock',
      settings: { latencyMs: 5 },
      secrets: {},
      limits: {},
    });
    created.push(`provider ${SEED.provider}`);
  }
  return { accountId, created };
}
