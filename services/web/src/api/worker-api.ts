import type { paths } from './worker-api.generated.ts';

export type BatchPage = paths['/api/batches']['get']['responses'][200]['content']['application/json'];
export type Batch = BatchPage['items'][number];
export type Session = paths['/api/session']['get']['responses'][200]['content']['application/json'];

export type Import =
  paths['/api/batches/{id}/recipients']['post']['responses'][200]['content']['application/json'];
export type Preflight =
  paths['/api/batches/{id}/preflight']['post']['responses'][200]['content']['application/json'];

export interface NewBatch {
  name: string;
  from: string | undefined;
  provider: string | undefined;
  template: { subject: string | undefined; html: string | undefined };
}

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

export const createBatch = (batch: NewBatch) => call<{ id: string }>('POST', '/api/batches', batch);
export const uploadRecipients = (id: string, file: File) =>
  call<Import>('POST', `/api/batches/${id}/recipients`, file);
export const preflightBatch = (id: string) => call<Preflight>('POST', `/api/batches/${id}/preflight`);
export const sendBatch = (id: string) => call<Batch>('POST', `/api/batches/${id}/send`);
export const discardBatch = (id: string) => call<void>('DELETE', `/api/batches/${id}`);

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const json = body !== undefined && !(body instanceof Blob);
  const response = await fetch(path, {
    method,
    ...(json ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    ...(body instanceof Blob
      ? { body, headers: { 'content-type': body.type || 'application/octet-stream' } }
      : {}),
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
