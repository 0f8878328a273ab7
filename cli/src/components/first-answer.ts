import { createConnection } from 'node:net';

const PATIENCE_MS = 2000;

/**
 * What a server on the loopback says first, after `request` where it waits for one.
 * @throws when it says nothing in time, or closes: an engine's proxy accepts before the server behind it listens
 */
export function firstAnswer(port: number, request = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: PATIENCE_MS }, () => {
      if (request) socket.write(request);
    });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once('timeout', () => fail(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
    socket.once('error', fail);
    socket.once('close', () => reject(new Error('closed without an answer')));
  });
}
