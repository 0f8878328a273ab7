import { PassThrough } from 'node:stream';
import type Docker from 'dockerode';

const HEADER_BYTES = 8;

/** The last lines of both streams, in the engine's order; empty ones left out. */
export async function tailContainer(container: Docker.Container, lines: number): Promise<string[]> {
  const all = (await container.logs({ stdout: true, stderr: true, tail: lines })) as unknown as Buffer;
  return demultiplex(all)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-lines);
}

/** Both streams come in one, in frames: a byte for the stream, three of nothing, four of length. */
export function demultiplex(frames: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + HEADER_BYTES <= frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    parts.push(frames.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length));
    at += HEADER_BYTES + length;
  }
  return Buffer.concat(parts).toString('utf8');
}

export async function followContainer(
  docker: Docker,
  container: Docker.Container,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const stream = (await container.logs({
    stdout: true,
    stderr: true,
    follow: true,
    tail: 0,
  })) as NodeJS.ReadableStream & {
    destroy(): void;
  };
  const text = new PassThrough({ encoding: 'utf8' });
  docker.modem.demuxStream(stream, text, text);
  const stop = () => stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  let rest = '';
  text.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  });
  await new Promise<void>((resolve) => {
    stream.on('end', resolve);
    stream.on('close', resolve);
    stream.on('error', () => resolve());
  });
  signal.removeEventListener('abort', stop);
}
