import type { Provider } from '../api/worker-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { table } from '../output/table.ts';
import { type ApiFlags, workerApi } from './api-context.ts';
import type { Rendered } from './batch.ts';
import { pairs } from './pairs.ts';

export interface AddFlags extends ApiFlags {
  kind: string;
  set?: string[];
  limit?: string[];
}

export async function addProvider(name: string, flags: AddFlags): Promise<Rendered<Provider>> {
  const limits = Object.fromEntries(
    Object.entries(pairs('--limit', flags.limit)).map(([key, value]) => [key, numeric(key, value)]),
  );
  const provider = await workerApi(flags).post<Provider>('/api/providers', {
    name,
    kind: flags.kind,
    settings: pairs('--set', flags.set),
    limits,
  });
  return { value: provider, text: providerText(provider) };
}

export async function listProviders(flags: ApiFlags): Promise<Rendered<{ items: Provider[] }>> {
  const page = await workerApi(flags).get<{ items: Provider[] }>('/api/providers?limit=500');
  const rows = page.items.map((one) => [
    one.name,
    one.kind,
    one.state,
    limitsText(one),
    one.pauseReason ?? '',
  ]);
  return {
    value: page,
    text: rows.length ? table([['name', 'kind', 'state', 'limits', ''], ...rows]) : 'no providers',
  };
}

export async function showProvider(name: string, flags: ApiFlags): Promise<Rendered<Provider>> {
  const provider = await workerApi(flags).get<Provider>(`/api/providers/${encodeURIComponent(name)}`);
  return { value: provider, text: providerText(provider) };
}

export async function testProvider(
  name: string,
  flags: ApiFlags,
): Promise<Rendered<{ ok: boolean; message: string }>> {
  const result = await workerApi(flags).post<{ ok: boolean; message: string }>(
    `/api/providers/${encodeURIComponent(name)}/test`,
  );
  return { value: result, text: `ok: ${result.message}` };
}

export async function resumeProvider(name: string, flags: ApiFlags): Promise<Rendered<Provider>> {
  const provider = await workerApi(flags).post<Provider>(`/api/providers/${encodeURIComponent(name)}/resume`);
  return { value: provider, text: providerText(provider) };
}

export async function removeProvider(name: string, flags: ApiFlags): Promise<Rendered<{ removed: string }>> {
  await workerApi(flags).delete(`/api/providers/${encodeURIComponent(name)}`);
  return { value: { removed: name }, text: `removed ${name}` };
}

function numeric(name: string, value: string): number {
  const number = Number(value);
  if (value !== '' && Number.isFinite(number)) return number;
  throw new CliError('option_invalid', EXIT.usage, `--limit ${name}=${value} is not a number.`);
}

function limitsText(provider: Provider): string {
  return (
    Object.entries(provider.limits)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ') || 'none'
  );
}

function providerText(provider: Provider): string {
  return table([
    ['name', provider.name],
    ['id', provider.id],
    ['kind', provider.kind],
    ['state', provider.state === 'paused' ? `paused: ${provider.pauseReason}` : provider.state],
    ['limits', limitsText(provider)],
    ...(provider.eventsUrl ? [['events', `to be posted to ${provider.eventsUrl}`]] : []),
    ...Object.entries(provider.settings).map(([name, value]) => [`  ${name}`, String(value)]),
  ]);
}
