import { CliError, EXIT } from '../cli-error.ts';
import type { paths } from './worker-api.generated.ts';

type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never;
export type Batch = Json<paths['/api/batches/{id}']['get']['responses'][200]>;
export type BatchPage = Json<paths['/api/batches']['get']['responses'][200]>;
export type Import = Json<paths['/api/batches/{id}/recipients']['post']['responses'][200]>;
export type Explanation = Json<paths['/api/explanations/{id}']['get']['responses'][200]>;
export type Preflight = Json<paths['/api/batches/{id}/preflight']['post']['responses'][200]>;
export type Provider = Json<paths['/api/providers/{provider}']['get']['responses'][200]>;

interface ErrorBody {
  error?: { code: string; message: string; fix?: string; field?: string };
}

/** Exit codes of API errors that have one of their own. */
const EXIT_OF_STATUS: Record<number, number> = {
  401: EXIT.config,
  404: EXIT.notFound,
  409: EXIT.stackLocked,
  400: EXIT.usage,
  422: EXIT.usage,
};

/** The worker's API with a key. */
export class WorkerApi {
  private readonly base: string;
  private readonly key: string;

  constructor(base: string, key: string) {
    this.base = base;
    this.key = key;
  }

  get<T>(path: string): Promise<T> {
    return this.call<T>('GET', path);
  }

  post<T>(path: string, body?: object): Promise<T> {
    return this.call<T>(
      'POST',
      path,
      body === undefined ? undefined : JSON.stringify(body),
      body === undefined ? {} : { 'content-type': 'application/json' },
    );
  }

  delete(path: string): Promise<void> {
    return this.call<void>('DELETE', path);
  }

  /** Streams a file; nothing of it is held in memory. */
  upload<T>(path: string, stream: ReadableStream<Uint8Array>): Promise<T> {
    return this.call<T>('POST', path, stream, { 'content-type': 'application/octet-stream' });
  }

  private async call<T>(
    method: string,
    path: string,
    body?: string | ReadableStream<Uint8Array>,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const response = await this.reach(path, {
      method,
      body,
      headers: { ...headers, authorization: `Bearer ${this.key}` },
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    } as RequestInit);
    if (response.status === 204) return undefined as T;
    const text = await response.text();
    const parsed = parse(text);
    if (response.ok) return parsed as T;
    const { error } = (parsed ?? {}) as ErrorBody;
    throw new CliError(
      error?.code ?? `http_${response.status}`,
      EXIT_OF_STATUS[response.status] ?? EXIT.failed,
      error?.message ?? `The worker answered ${response.status}: ${text.slice(0, 200)}`,
      {
        fix: error?.fix ?? (response.status === 401 ? 'Set BATCHSENDER_API_KEY or --api-key.' : undefined),
      },
    );
  }

  private async reach(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.base + path, init);
    } catch (error) {
      const { cause } = error as Error & { cause?: Error };
      throw new CliError(
        'worker_unreachable',
        EXIT.notRunning,
        `The worker at ${this.base} does not answer: ${cause?.message ?? (error as Error).message}.`,
        {
          fix: 'Start the stack with "batchsender up", or name another worker with --url or BATCHSENDER_URL.',
          cause: error,
        },
      );
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
