import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';

/** Signatures of e-mail APIs and of webhooks are refused from five minutes on; schedules are late long before. */
const TOLERATED_MS = 5000;

export const clock: Check = {
  id: 'clock',
  category: 'host',
  severity: 'warning',
  title: 'clocks of the database and of the engine beside ours',
  exitCode: EXIT.sending,
  async detect(facts) {
    const skews: [string, number][] = [];
    const engine = facts.usesDocker ? await facts.engine() : null;
    if (engine) {
      const asked = Date.now();
      const { SystemTime } = (await engine.docker.info()) as { SystemTime?: string };
      if (SystemTime) skews.push(['The engine', Date.parse(SystemTime) - (asked + Date.now()) / 2]);
    }
    if (facts.started) {
      const inspection = await facts.inspection().catch(() => null);
      if (inspection) skews.push(['The database', inspection.clockSkewMs]);
    }
    if (skews.length === 0) return skipped('nothing to compare with');
    const worst = skews.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))[0]!;
    if (Math.abs(worst[1]) <= TOLERATED_MS) return ok(`within ${Math.abs(Math.round(worst[1]))} ms`);
    return failed(
      `${worst[0]} is ${Math.abs(Math.round(worst[1] / 1000))} s ${worst[1] < 0 ? 'behind' : 'ahead'}.`,
      'After sleep the clock of a virtual machine stands still: restart it (wsl --shutdown, Docker Desktop), or set the time.',
    );
  },
};
