import { EXIT } from '../../cli-error.ts';
import { endReason, healthWords } from '../../runtimes/docker/failure.ts';
import { type Check, failed, ok } from '../check.ts';
import type { ComponentState, DoctorFacts } from '../facts.ts';

const LAST_LINES = 20;
/** What is shown of them. */
const SHOWN_LINES = 5;

interface Story {
  text: string;
  fix: string | null;
  lines: string[];
}

/** Why a part ended by itself, or keeps ending: what the engine knows of it, and causes known from its last lines. */
export const lastFailure: Check = {
  id: 'last-failure',
  category: 'stack',
  severity: 'critical',
  title: 'why a part ended by itself, or was started again by the engine',
  exitCode: EXIT.serviceUnavailable,
  needs: 'started',
  async detect(facts) {
    const told = await Promise.all((await facts.components()).map((one) => storyOf(facts, one)));
    const stories = told.filter((story) => story !== null);
    if (stories.length === 0) return ok('nothing ended by itself');
    return failed(
      stories.map(({ text }) => text).join(' '),
      stories.find(({ fix }) => fix)?.fix ?? 'All of its log: batchsender logs NAME; then: batchsender up',
      { evidence: stories.flatMap(({ lines }) => lines) },
    );
  },
};

async function storyOf(facts: DoctorFacts, state: ComponentState): Promise<Story | null> {
  const { component, alive, running } = state;
  const runtime = (await facts.runtimes()).of(component);
  const ended = runtime.name === 'docker' ? await endOfContainer(facts, state) : endOfProcess(facts, state);
  if (ended === null) return null;
  const lines = (await runtime.tail(component, facts.stack, LAST_LINES).catch(() => null)) ?? [];
  const known = component.explain?.(lines) ?? null;
  const verb = alive ? (running ? 'ended before and runs again' : 'runs but does not answer') : 'ended';
  return {
    text: `${component.title} ${verb}: ${known ? `${ended}; ${known.why}` : ended}.`,
    fix: known?.fix ?? null,
    lines: lines.slice(-SHOWN_LINES).map((line) => `${component.name}: ${line}`),
  };
}

/** Null: nothing happened to it. A process leaves nothing but its log; its record is there, "down" would have removed it. */
function endOfProcess({ stack }: DoctorFacts, { component, alive }: ComponentState): string | null {
  const record = stack.state.processes[component.name];
  return record && !alive ? `nobody stopped it; it ran since ${record.startedAt}` : null;
}

async function endOfContainer(
  facts: DoctorFacts,
  { component, alive, running, outdated }: ComponentState,
): Promise<string | null> {
  const container = await (await facts.runtimes()).docker!.inspect(component, facts.stack);
  if (!container) return null;
  if (!alive) return endReason(container);
  if (!running && !outdated) return healthWords(container) ?? 'its health check says nothing';
  // With the engine's own start after a crash all looks well; what it remembers says that it is not.
  if (container.RestartCount === 0 && !container.State.OOMKilled) return null;
  return `the engine started it again ${container.RestartCount} times${container.State.OOMKilled ? ', after it ran out of memory' : ''}`;
}
