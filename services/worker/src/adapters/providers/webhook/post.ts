import type { Dispatcher } from 'undici';

export interface Answer {
  status: number;
  retryAfter: string | null;
  /** The start of the body. */
  text: string;
}

/** Answers longer than this are not kept; only their start is shown. */
const MAX_ANSWER_BYTES = 16_384;

/**
 * One POST by undici's dispatch, without the streams and promises of `request`: at tens of thousands of
 * messages a second they are half of what a message costs.
 */
export function post(
  dispatcher: Dispatcher,
  origin: string,
  path: string,
  headers: string[],
  body: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let retryAfter: string | null = null;
    let length = 0;
    let first: Buffer | null = null;
    let more: Buffer[] | null = null;
    dispatcher.dispatch(
      { origin, path, method: 'POST', headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode, responseHeaders) {
          status = statusCode;
          const value = responseHeaders['retry-after'];
          retryAfter = Array.isArray(value) ? (value[0] ?? null) : (value ?? null);
        },
        onResponseData(_controller, chunk) {
          if (length < MAX_ANSWER_BYTES) {
            if (first === null) first = chunk;
            else more = [...(more ?? []), chunk];
          }
          length += chunk.length;
        },
        onResponseEnd() {
          const bytes = more ? Buffer.concat([first!, ...more]) : first;
          resolve({
            status,
            retryAfter,
            text: bytes ? bytes.toString('utf8').slice(0, MAX_ANSWER_BYTES) : '',
          });
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      },
    );
  });
}
