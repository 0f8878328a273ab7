import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok } from '../check.ts';

const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
const LOOPBACK = ['127.0.0.1', 'localhost'];

/** A proxy that also gets what is meant for the loopback makes everything look broken. */
export const proxy: Check = {
  id: 'proxy',
  category: 'host',
  severity: 'warning',
  title: 'a proxy that would get what is meant for this machine',
  exitCode: EXIT.network,
  preflight: true,
  async detect({ env }) {
    const set = VARIABLES.filter((name) => env[name]);
    if (set.length === 0) return ok('no proxy is set');
    const excluded = (env.NO_PROXY ?? env.no_proxy ?? '').split(',').map((entry) => entry.trim());
    if (excluded.includes('*') || LOOPBACK.every((host) => excluded.includes(host)))
      return ok(`${set[0]} is set; NO_PROXY leaves the loopback out`);
    const missing = LOOPBACK.filter((host) => !excluded.includes(host));
    return failed(
      `${set.join(', ')} is set, and NO_PROXY does not name ${missing.join(' and ')}.`,
      `export NO_PROXY=${[...excluded.filter(Boolean), ...missing].join(',')} (batchsender itself goes past the proxy; browsers, curl and containers do not)`,
    );
  },
};
