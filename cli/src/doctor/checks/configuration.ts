import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError, EXIT } from '../../cli-error.ts';
import { COMPONENT_NAMES } from '../../components/all.ts';
import { readSettings, type SettingSource, settingSources } from '../../settings.ts';
import { checkoutRoot } from '../../stack/stack.ts';
import { type Check, type Finding, failed, ok } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

const OURS = 'BATCHSENDER_';
const KNOWN = [
  ...['STATE_DIR', 'STACK', 'URL', 'API_KEY', 'RUNTIME', 'SERVICES', 'CONFIG', 'IMAGE_PREFIX', 'NODE_IMAGE'],
  ...['REQUIRE', 'VERSION', 'RELEASES_URL'],
];

/** Settings that are misspelt are as if they were not there: the one thing nobody finds by looking. */
export const configuration: Check = {
  id: 'configuration',
  category: 'stack',
  severity: 'critical',
  title: 'settings in the environment, batchsender.yaml and .env, and which of them wins',
  exitCode: EXIT.config,
  preflight: true,
  errorId: 'setting_invalid',
  async detect(facts) {
    const { env } = facts;
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
    return (
      dotenvFault(join(checkoutRoot(), '.env')) ?? ok(inWords(settingSources(env, COMPONENT_NAMES), facts))
    );
  },
};

/** Who wins: a flag, then the environment, then the file, then what the stack was started with. */
function inWords(sources: SettingSource[], { stack }: DoctorFacts): string {
  const said = sources.map(
    ({ name, value, from, hidden }) =>
      `${name} is ${value} by ${from}${hidden ? ` (the file's ${hidden} is not used)` : ''}`,
  );
  const { runtime } = stack.state.selection;
  const wanted = sources.find(({ name }) => name === 'runtime')?.value;
  const other = runtime && wanted && wanted !== runtime ? [`the stack was started with ${runtime}`] : [];
  return said.length ? [...said, ...other].join('; ') : 'defaults; nothing is set';
}

/** Of Compose and of shells that read it; we do not, and what is wrong in it is found last. */
export function dotenvFault(file: string): Finding | null {
  if (!existsSync(file)) return null;
  const text = readFileSync(file, 'utf8');
  const lines = text.split('\n');
  const carriage = lines.findIndex((line) => line.endsWith('\r'));
  if (carriage >= 0)
    return failed(
      `Line ${carriage + 1} of .env ends with CR: it becomes part of the value.`,
      "Save it with Unix line ends: sed -i 's/\\r$//' .env",
      {
        repair: {
          title: 'write .env with Unix line ends',
          run: async () => writeFileSync(file, text.replaceAll('\r\n', '\n')),
        },
      },
    );
  const names = lines.map((line) => /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1]);
  const second = names.findIndex((name, i) => name !== undefined && names.indexOf(name) < i);
  if (second < 0) return null;
  return failed(
    `.env sets ${names[second]} twice, in lines ${names.indexOf(names[second]) + 1} and ${second + 1}; the last one wins.`,
    'Remove one of them.',
  );
}

function isKnown(name: string): boolean {
  return (
    KNOWN.includes(name) ||
    name.startsWith('TEST_') ||
    COMPONENT_NAMES.some((component) => name === `IMAGE_${component.toUpperCase()}`)
  );
}
