import { answersNow } from '../stack/readiness.ts';
import { openStack, planOf, runtimesOf, type StackFlags } from './context.ts';

export interface ComponentStatus {
  name: string;
  title: string;
  kind: string;
  /** `running`, `not ready` (its process lives but does not answer), `stopped`, `absent`. */
  state: 'running' | 'not ready' | 'stopped' | 'absent';
  /** `docker` or `embedded`. */
  runtime: string;
  pid: number | null;
  /** Id of its container. */
  container: string | null;
  ports: Record<string, number>;
  url: string | null;
  credentials: string | null;
  /** It answers, but was started with other settings or an older build: `up` starts it again. */
  outdated: boolean;
  detail: string;
  since: string | null;
}

export interface StatusResult {
  stack: { name: string; id: string; dir: string };
  state: 'running' | 'partly running' | 'stopped';
  components: ComponentStatus[];
}

/** What every component of the stack does now, asked over its own protocol. */
export async function status(flags: StackFlags): Promise<StatusResult> {
  const stack = openStack(flags);
  const plan = planOf(stack);
  const runtimes = await runtimesOf(stack);
  const components = await Promise.all(
    plan.entries.map(async ({ component, presence }): Promise<ComponentStatus> => {
      const context = plan.context(component);
      const runtime = runtimes.of(component);
      const { alive, pid, container, since } = await runtime.observe(component, stack);
      const absent = presence.present !== true && !alive;
      const asPlanned = alive && presence.present === true && (await runtime.isRunning(component, context));
      // Also one of an older build, or that was started from a shell that had its program.
      const ready = asPlanned || (alive && (await answersNow(component, context)));
      const access = alive ? component.access?.(context) : undefined;
      return {
        name: component.name,
        title: component.title,
        kind: component.kind,
        state: absent ? 'absent' : ready ? 'running' : alive ? 'not ready' : 'stopped',
        runtime: runtime.name,
        pid,
        container,
        ports: alive
          ? Object.fromEntries(
              Object.keys(component.ports).map((name) => [name || 'main', context.port(name)]),
            )
          : {},
        url: access?.url ?? null,
        credentials: access?.credentials ?? null,
        outdated: ready && presence.present === true && !asPlanned,
        detail:
          presence.present === false
            ? presence.why
            : presence.present === 'external'
              ? 'external'
              : presence.how,
        since,
      };
    }),
  );
  const present = components.filter((component) => component.state !== 'absent');
  const running = present.filter((component) => component.state === 'running').length;
  return {
    stack: { name: stack.name, id: stack.id, dir: stack.dir },
    state:
      running === 0 && present.every((c) => c.state === 'stopped')
        ? 'stopped'
        : running === present.length
          ? 'running'
          : 'partly running',
    components,
  };
}
