import { DateTime, IANAZone } from 'luxon';

/** How a wall-clock time became an instant: `gap` does not exist (moved forward), `overlap` exists twice (the first). */
export type Resolution = 'exact' | 'gap' | 'overlap';
export type ScheduleError = 'invalid_time' | 'invalid_zone';
export type LocalInstant = { utc: Date; resolution: Resolution } | { error: ScheduleError };

/** Times of day, `HH:MM`, on the wall clock of the zone; from `start` (inside) to `end` (outside), over midnight too. */
export interface QuietHours {
  start: string;
  end: string;
  zone: string;
}

const LOCAL = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?$/;
const MINUTE_MS = 60_000;

export function isZone(zone: string): boolean {
  return zone !== '' && IANAZone.isValidZone(zone);
}

/** A wall-clock time in a zone as an instant, by RFC 5545 §3.3.5 where it does not exist or exists twice. */
export function resolveLocal(local: string, zone: string): LocalInstant {
  if (!isZone(zone)) return { error: 'invalid_zone' };
  const parts = LOCAL.exec(local)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (!parts) return { error: 'invalid_time' };
  const [year, month, day, hour, minute, second = 0] = parts as [
    number,
    number,
    number,
    number,
    number,
    number?,
  ];
  const wall = DateTime.fromObject({ year, month, day, hour, minute, second: second || 0 }, { zone: 'utc' });
  if (!wall.isValid) return { error: 'invalid_time' };
  return instantOf(wall.toMillis(), zone);
}

/** Tries the offsets in force around the time: one, none or two of them lead back to the same wall clock. */
function instantOf(wallMs: number, zone: string): LocalInstant {
  const offsetAt = (ms: number) => IANAZone.create(zone).offset(ms) * MINUTE_MS;
  const before = offsetAt(wallMs - 86_400_000);
  const after = offsetAt(wallMs + 86_400_000);
  const fits = [...new Set([before, after])]
    .map((offset) => wallMs - offset)
    .filter((ms) => ms + offsetAt(ms) === wallMs);
  if (fits.length === 1) return { utc: new Date(fits[0]!), resolution: 'exact' };
  if (fits.length > 1) return { utc: new Date(Math.min(...fits)), resolution: 'overlap' };
  // Moved forward by the length of the gap: the offset from before it.
  return { utc: new Date(wallMs - before), resolution: 'gap' };
}

/** Whether a message may go at the instant, and when the next one may. */
export function checkQuietHours(quiet: QuietHours, at: Date): { allowed: boolean; nextAllowed: Date } {
  const local = DateTime.fromJSDate(at, { zone: quiet.zone });
  const now = local.hour * 60 + local.minute;
  const [start, end] = [minutesOf(quiet.start), minutesOf(quiet.end)];
  const inside = start < end ? now >= start && now < end : start > end && (now >= start || now < end);
  if (!inside) return { allowed: true, nextAllowed: at };
  const day = now >= end ? local.plus({ days: 1 }) : local;
  const resolved = resolveLocal(`${day.toFormat('yyyy-MM-dd')}T${quiet.end}:00`, quiet.zone);
  if ('error' in resolved) throw new RangeError(`quiet hours ${JSON.stringify(quiet)} are not valid`);
  return { allowed: false, nextAllowed: resolved.utc };
}

/** The next `count` times a daily wall-clock time comes round, after `from`. */
export function dailyRuns(time: string, zone: string, from: Date, count: number): Date[] {
  const runs: Date[] = [];
  let day = DateTime.fromJSDate(from, { zone }).startOf('day');
  while (runs.length < count) {
    const resolved = resolveLocal(`${day.toFormat('yyyy-MM-dd')}T${time}:00`, zone);
    if ('error' in resolved) throw new RangeError(`${time} in ${zone} is not valid`);
    if (resolved.utc > from) runs.push(resolved.utc);
    day = day.plus({ days: 1 });
  }
  return runs;
}

function minutesOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return hour * 60 + minute;
}
