import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import semver from 'semver';
import { EXIT } from '../../cli-error.ts';
import type { Stack } from '../../stack/stack.ts';
import { VERSION } from '../../version.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

const ASKED_WITHIN_MS = 1000;
const KEPT_MS = 24 * 3_600_000;
const MEMORY = 'latest-release.json';

interface Memory {
  url: string;
  latest: string;
  at: number;
}

/**
 * Nothing is asked unless a setting says where: an address that answers with JSON that has a `version` or a
 * `tag_name`, as release pages of Git hosts and package registries do.
 */
export const latestRelease: Check = {
  id: 'latest-release',
  category: 'stack',
  severity: 'warning',
  title: 'whether there is a newer release (only with BATCHSENDER_RELEASES_URL; asks it once a day)',
  exitCode: EXIT.dataMismatch,
  async detect(facts) {
    const url = facts.env.BATCHSENDER_RELEASES_URL;
    if (!url) return skipped('set BATCHSENDER_RELEASES_URL to be told of newer releases');
    const latest = await latestAt(url, facts.stack);
    if (!latest) return skipped(`${url} names no version`);
    if (!semver.gt(latest, VERSION)) return ok(`${VERSION} is the latest`);
    return failed(
      `${latest} is out; this is ${VERSION}.`,
      'Read its notes, then: git pull, npm ci, npm run build, batchsender up (migrations run by themselves)',
    );
  },
};

/** Not being able to write the answer down only means to ask again. */
async function latestAt(url: string, stack: Stack): Promise<string | null> {
  const file = join(stack.dir, MEMORY);
  const known = readMemory(file);
  if (known?.url === url && Date.now() - known.at < KEPT_MS) return known.latest;
  const latest = await ask(url);
  if (latest === null) return null;
  try {
    mkdirSync(stack.dir, { recursive: true });
    writeFileSync(file, JSON.stringify({ url, latest, at: Date.now() } satisfies Memory));
  } catch {}
  return latest;
}

function readMemory(file: string): Memory | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Memory;
  } catch {
    return null;
  }
}

async function ask(url: string): Promise<string | null> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ASKED_WITHIN_MS) });
  const body = (await response.json()) as { version?: unknown; tag_name?: unknown };
  const name = body.version ?? body.tag_name;
  return typeof name === 'string' ? semver.clean(name) : null;
}
