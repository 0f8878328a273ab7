import { findProgram } from '../src/components/programs.ts';

/** What tests may need beside Node, how it is recognised, and what brings it. */
const REQUIREMENTS = {
  nats: { programs: ['nats-server'], install: 'apt-get install nats-server' },
  redis: {
    programs: ['dragonfly', 'valkey-server', 'redis-server'],
    install: 'apt-get install redis-server',
  },
  prometheus: { programs: ['prometheus'], install: 'apt-get install prometheus' },
  docker: {
    programs: ['dockerd'],
    install: 'apt-get install docker.io docker-compose debootstrap, and start dockerd',
  },
  chromium: {
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
    install: 'apt-get install chromium',
  },
};

export type Requirement = keyof typeof REQUIREMENTS;

/** False, after a line that says what to install, when it is missing; an error when BATCHSENDER_REQUIRE names it. */
/** @param works more than that the program is there */
export function has(requirement: Requirement, works: () => boolean = () => true): boolean {
  const { install } = REQUIREMENTS[requirement];
  if (pathOf(requirement) && works()) return true;
  if ((process.env.BATCHSENDER_REQUIRE ?? '').split(',').includes(requirement))
    throw new Error(`${requirement} is required here and missing: ${install}`);
  process.stderr.write(`skipped: ${requirement} is not installed (${install})\n`);
  return false;
}

export function pathOf(requirement: Requirement): string | null {
  return findProgram(REQUIREMENTS[requirement].programs, process.env)?.path ?? null;
}
