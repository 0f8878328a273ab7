import { createServer } from 'node:http';

/**
 * Takes every POST, answers 200 with nothing, counts distinct Idempotency-Keys. GET /count tells, GET /arrivals
 * when each came (milliseconds), POST /reset forgets. DELAY_MS: how long an answer takes.
 */
let seen = new Set<string>();
let requests = 0;
let arrivals: number[] = [];
let inFlight = 0;
let mostAtOnce = 0;
const MAX_ARRIVALS = 1_000_000;
const delayMs = Number(process.env.DELAY_MS ?? 0);

const server = createServer((request, response) => {
  if (request.url === '/arrivals') {
    response.end(JSON.stringify(arrivals));
    return;
  }
  if (request.method === 'GET') {
    response.end(JSON.stringify({ requests, distinct: seen.size, mostAtOnce }));
    return;
  }
  if (request.url === '/reset') {
    seen = new Set();
    arrivals = [];
    requests = 0;
    mostAtOnce = 0;
    response.end('{}');
    return;
  }
  mostAtOnce = Math.max(mostAtOnce, ++inFlight);
  request.resume();
  response.on('close', () => inFlight--);
  request.on('end', () => {
    requests++;
    if (arrivals.length < MAX_ARRIVALS) arrivals.push(performance.now());
    const key = request.headers['idempotency-key'];
    if (typeof key === 'string') seen.add(key);
    if (delayMs > 0) setTimeout(() => response.end('{}'), delayMs);
    else response.end('{}');
  });
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as { port: number }).port })}\n`),
);
