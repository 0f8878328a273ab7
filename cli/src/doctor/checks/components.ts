import { EXIT } from '../../cli-error.ts';
import type { Component } from '../../components/component.ts';
import { endReason } from '../../runtimes/docker/failure.ts';
import { type Check, failed, ok, skipped } from '../check.ts';
import type { DoctorFacts } from '../facts.ts';

const LAST_LINES = 5;

/** Every part of the stack runs and answers; the last words of those that do not. */
export const components: Check = {
  id: 'components',
  category: 'stack',
  severity: 'critical',
  title: 'every part runs and answers; if not, why it ended',
  exitCode: EXIT.notRunning,
  async detect(facts) {
    if (!facts.started) return skipped('not started yet; run: batchsender up');
    const runtimes = await facts.runtimes();
    const { plan, stack } = facts;
    const seen = await Promise.all(
      plan.running.map(async (component) => {
        const runtime = runtimes.of(component);
        const running = await runtime.isRunning(component, plan.context(component));
        const { alive } = running ? { alive: true } : await runtime.observe(component, stack);
        return { component, running, alive };
      }),
    );
    if (seen.every(({ alive }) => !alive)) return skipped('the stack is down; run: batchsender up');
    const down = seen.filter(({ running }) => !running);
    if (down.length === 0) return ok(`${seen.length} parts run and answer`);
    const stories = await Promise.all(down.map(({ component, alive }) => story(facts, component, alive)));
    return failed(stories.map(({ text }) => text).join(' '), 'batchsender up starts what is missing.', {
      evidence: stories.flatMap(({ lines }) => lines),
      repair: undefined,
    });
  },
};

async function story(facts: DoctorFacts, component: Component, alive: boolean) {
  const runtimes = await facts.runtimes();
  const lines =
    (await runtimes
      .of(component)
      .tail(component, facts.stack, LAST_LINES)
      .catch(() => null)) ?? [];
  const known = component.explain?.(lines);
  const container =
    runtimes.of(component).name === 'docker' ? await runtimes.docker!.inspect(component, facts.stack) : null;
  const why = container && !container.State.Running ? endReason(container) : known?.why;
  const state = alive ? 'runs but does not answer' : 'is not running';
  return {
    text: `${component.title} ${state}${why ? `: ${why}` : ''}.`,
    lines: lines.map((line) => `${component.name}: ${line}`),
  };
}
