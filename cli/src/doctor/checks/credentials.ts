import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];

export const credentials: Check = {
  id: 'credentials',
  category: 'sender',
  severity: 'critical',
  title: 'development credentials where others can use them',
  exitCode: EXIT.config,
  needs: 'schema',
  async detect(facts) {
    const { developmentCredentials, production } = await facts.inspection();
    const { users, keys } = developmentCredentials;
    if (users + keys === 0) return ok('there are none');
    const { host } = facts.stack.state.selection;
    if (production)
      return failed(
        `${users} users and ${keys} API keys of the development seed are in a production database. They are refused, but should not be there.`,
        'Remove them: the user test@example.com, and the key named "development".',
      );
    if (!LOOPBACK.includes(host))
      return failed(
        `The worker listens on ${host}, and the credentials of the README (test@example.com, test-api-key) work.`,
        'Listen on the loopback (batchsender up --host 127.0.0.1), or set NODE_ENV=production.',
      );
    return ok('development credentials, on the loopback only');
  },
};
