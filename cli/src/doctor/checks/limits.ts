import { EXIT } from '../../cli-error.ts';
import { type Check, failed, ok, skipped } from '../check.ts';
import { describeLimits, readLimits, shortageOf } from '../machine-limits.ts';

export const limits: Check = {
  id: 'limits',
  category: 'host',
  severity: 'warning',
  title: 'limits of this machine: open files, processes, watched files, locked memory, memory maps, io_uring',
  exitCode: EXIT.limits,
  preflight: true,
  async detect({ plan }) {
    if (process.platform !== 'linux') return skipped('only Linux tells');
    const has = (name: string) =>
      plan.entries.some(({ component, presence }) => component.name === name && presence.present === true);
    const parts = { clickhouse: has('clickhouse'), dragonfly: has('dragonfly') };
    const found = readLimits();
    const shortage = shortageOf(found, parts);
    return shortage ? failed(shortage.message, shortage.fix) : ok(describeLimits(found, parts));
  },
};
