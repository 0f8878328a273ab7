import { createServer } from 'node:http';

/**
 * Takes every POST, answers 200 with nothing, counts distinct Idempotency-Keys. GET /count tells, GET /arrivals
 * when each came (milliseconds), POST /reset forgets.
 */
let seen = new Set<string>();
let requests = 0;
let arrivals: number[] = [];
const MAX_ARRIVALS = 1_000_000;

const server = createServer((request, response) => {
  if (request.url === '/arrivals') {
    response.end(JSON.stringify(arrivals));
    return;
  }
  if (request.method === 'GET') {
    response.end(JSON.stringify({ requests, distinct: seen.size }));
    return;
  }
  if (request.url === '/reset') {
    seen = new Set();
    arrivals = [];
    requests = 0;
    response.end('{}');
    return;
  }
  request.resume();
  request.on('end', () => {
    requests++;
    if (arrivals.length < MAX_ARRIVALS) arrivals.push(performance.now());
    const key = request.headers['idempotency-key'];
    if (typeof key === 'string') seen.add(key);
    response.end('{}');
  });
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as { port: number }).port })}\n`),
);
