import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError, EXIT } from '../../cli-error.ts';
import { COMPONENT_NAMES } from '../../components/all.ts';
import { readSettings, settingsFile } from '../../settings.ts';
import { checkoutRoot } from '../../stack/stack.ts';
import { type Check, failed, ok } from '../check.ts';

const OURS = 'BATCHSENDER_';
const KNOWN = [
  ...['STATE_DIR', 'STACK', 'URL', 'API_KEY', 'RUNTIME', 'SERVICES', 'CONFIG', 'IMAGE_PREFIX', 'NODE_IMAGE'],
  ...['REQUIRE', 'VERSION'],
];

/** Settings that are misspelt are as if they were not there: the one thing nobody finds by looking. */
export const configuration: Check = {
  id: 'configuration',
  category: 'stack',
  severity: 'critical',
  title: 'settings in the environment and in batchsender.yaml',
  exitCode: EXIT.config,
  preflight: true,
  errorId: 'setting_invalid',
  async detect({ env }) {
    try {
      readSettings({}, env, COMPONENT_NAMES);
    } catch (error) {
      if (error instanceof CliError) return failed(error.message, error.fix ?? 'Mend it.');
      throw error;
    }
    const unknown = Object.keys(env).filter(
      (name) => name.startsWith(OURS) && !isKnown(name.slice(OURS.length)),
    );
    if (unknown.length)
      return failed(
        `${unknown.join(', ')} ${unknown.length === 1 ? 'is' : 'are'} set, and nothing reads ${unknown.length === 1 ? 'it' : 'them'}.`,
        `Known are ${KNOWN.map((name) => OURS + name).join(', ')} and ${OURS}IMAGE_<COMPONENT>.`,
      );
    const dotenv = join(checkoutRoot(), '.env');
    const line = existsSync(dotenv)
      ? readFileSync(dotenv, 'utf8')
          .split('\n')
          .findIndex((text) => text.endsWith('\r'))
      : -1;
    if (line >= 0)
      return failed(
        `Line ${line + 1} of .env ends with CR: it becomes part of the value.`,
        "Save it with Unix line ends: sed -i 's/\\r$//' .env",
      );
    const file = settingsFile(env);
    return ok(existsSync(file) ? `${file} is understood` : 'defaults; no batchsender.yaml');
  },
};

function isKnown(name: string): boolean {
  return (
    KNOWN.includes(name) ||
    name.startsWith('TEST_') ||
    COMPONENT_NAMES.some((component) => name === `IMAGE_${component.toUpperCase()}`)
  );
}
