import type { paths } from './worker-api.generated.ts';

export type BatchPage = paths['/api/batches']['get']['responses'][200]['content']['application/json'];
export type Batch = BatchPage['items'][number];
export type Session = paths['/api/session']['get']['responses'][200]['content']['application/json'];

/** What the API said was wrong, in words for people. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const getSession = () => call<Session>('GET', '/api/session');
export const logIn = (email: string, password: string) =>
  call<{ email: string }>('POST', '/api/session', { email, password });
export const logOut = () => call<void>('DELETE', '/api/session');
export const listBatches = (cursor: string | null) =>
  call<BatchPage>('GET', `/api/batches?limit=25${cursor ? `&cursor=${cursor}` : ''}`);

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(path, {
    method,
    ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
  });
  if (response.status === 204) return undefined as T;
  const parsed = await response.json().catch(() => null);
  if (response.ok) return parsed as T;
  const { error } = (parsed ?? {}) as { error?: { code: string; message: string } };
  throw new ApiError(
    response.status,
    error?.code ?? 'unknown',
    error?.message ?? `The server answered ${response.status}.`,
  );
}
