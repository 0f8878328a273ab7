import { checkQuietHours, dailyRuns, type QuietHours, resolveLocal } from '../../src/domain/schedule.ts';
import { testCases } from './case-files.ts';

interface Input {
  local?: string;
  zone?: string;
  zones?: string[];
  window?: QuietHours;
  at?: string;
  time?: string;
  from?: string;
  count?: number;
}

testCases<Input, unknown>(
  'schedule',
  (input) => {
    if (input.zones) return recipientLocal(input.local!, input.zones);
    if (input.window) {
      const { allowed, nextAllowed } = checkQuietHours(input.window, new Date(input.at!));
      return { allowed, next_allowed_utc: iso(nextAllowed) };
    }
    if (input.time)
      return { runs: dailyRuns(input.time, input.zone!, new Date(input.from!), input.count!).map(iso) };
    return local(input.local!, input.zone!);
  },
  (one) => !olderThan((one as { tzdata_min?: string }).tzdata_min),
);

function local(text: string, zone: string) {
  const resolved = resolveLocal(text, zone);
  return 'error' in resolved ? resolved : { utc: iso(resolved.utc), resolution: resolved.resolution };
}

function recipientLocal(text: string, zones: string[]) {
  const utc = zones.map((zone) => {
    const resolved = resolveLocal(text, zone);
    return 'error' in resolved ? '' : iso(resolved.utc);
  });
  const sorted = [...utc].sort();
  return {
    utc_by_zone: Object.fromEntries(zones.map((zone, i) => [zone, utc[i]])),
    first_utc: sorted[0],
    last_utc: sorted.at(-1),
  };
}

function iso(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}

/** Cases for rules newer than this machine's time zone data do not count here. */
function olderThan(version: string | undefined): boolean {
  return version !== undefined && (process.versions.tz ?? '') < version;
}
