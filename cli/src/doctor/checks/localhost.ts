import { lookup } from 'node:dns/promises';
import { EXIT } from '../../cli-error.ts';
import { answers } from '../../stack/ports.ts';
import { type Check, failed, ok } from '../check.ts';

/** "localhost" may lead to ::1, where another program may sit on one of our ports. */
export const localhost: Check = {
  id: 'localhost',
  category: 'host',
  severity: 'warning',
  title: 'whether "localhost" leads to another program than 127.0.0.1',
  exitCode: EXIT.portTaken,
  async detect(facts) {
    const addresses = await lookup('localhost', { all: true }).catch(() => []);
    if (addresses.length === 0)
      return failed(
        'The name "localhost" is not known here.',
        'Add "127.0.0.1 localhost" to /etc/hosts. Printed URLs use 127.0.0.1 and work.',
      );
    if (addresses[0]!.family !== 6) return ok('localhost is 127.0.0.1');
    const ports = Object.values(facts.stack.state.ports);
    const taken = await Promise.all(ports.map((port) => answers(port, '::1')));
    const foreign = ports.filter((_, i) => taken[i]);
    if (foreign.length === 0) return ok('localhost is ::1 first; nothing else listens there on our ports');
    return failed(
      `"localhost" leads to ::1, where another program answers on ${foreign.join(', ')}.`,
      'Use the printed 127.0.0.1 URLs.',
    );
  },
};
