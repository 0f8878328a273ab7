import { closeSync, createReadStream, existsSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const FOLLOW_MS = 250;
/** Enough for the lines that anybody asks for; a log may have gigabytes. */
const TAIL_BYTES = 1_000_000;

/** The last lines of a log, read from its end; empty ones left out. */
export function tail(file: string, lines: number): string[] {
  if (!existsSync(file)) return [];
  const { size } = statSync(file);
  const length = Math.min(size, TAIL_BYTES);
  const buffer = Buffer.alloc(length);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, buffer, 0, length, size - length);
  } finally {
    closeSync(descriptor);
  }
  return buffer
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-lines);
}

/** Every line that is added, until the signal aborts; a log that was cut begins anew. */
export async function followFile(
  file: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let position = existsSync(file) ? statSync(file).size : 0;
  let rest = '';
  while (!signal.aborted) {
    const size = existsSync(file) ? statSync(file).size : 0;
    if (size < position) position = 0;
    if (size > position) {
      for await (const chunk of createReadStream(file, { start: position, end: size - 1, encoding: 'utf8' }))
        rest += chunk;
      position = size;
      const lines = rest.split('\n');
      rest = lines.pop()!;
      for (const line of lines) onLine(line);
    }
    await sleep(FOLLOW_MS, undefined, { signal }).catch(() => {});
  }
}
