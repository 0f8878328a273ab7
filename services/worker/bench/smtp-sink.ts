import { SMTPServer } from 'smtp-server';

/** Takes every mail and forgets it; used where Postfix's smtp-sink is not installed. */
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  logger: false,
  onData(stream, _session, callback) {
    stream.resume();
    stream.on('end', () => callback(null));
  },
});
const listener = server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (listener.address() as { port: number }).port })}\n`),
);
