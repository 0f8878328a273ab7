import { isAlive } from '../runtimes/embedded/process.ts';
import { isRunning } from '../runtimes/embedded/runtime.ts';
import { openStack, planOf, type StackFlags } from './context.ts';

export interface ComponentStatus {
  name: string;
  title: string;
  kind: string;
  /** `running`, `not ready` (its process lives but does not answer), `stopped`, `absent`. */
  state: 'running' | 'not ready' | 'stopped' | 'absent';
  pid: number | null;
  ports: Record<string, number>;
  url: string | null;
  credentials: string | null;
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
  const components = await Promise.all(
    plan.entries.map(async ({ component, presence }): Promise<ComponentStatus> => {
      const context = plan.context(component);
      const record = stack.state.processes[component.name];
      const alive = isAlive(record);
      const absent = presence.present !== true && !alive;
      const ready = !absent && alive && (await isRunning(component, context));
      const access = alive ? component.access?.(context) : undefined;
      return {
        name: component.name,
        title: component.title,
        kind: component.kind,
        state: absent ? 'absent' : ready ? 'running' : alive ? 'not ready' : 'stopped',
        pid: alive ? record!.pid : null,
        ports: alive
          ? Object.fromEntries(
              Object.keys(component.ports).map((name) => [name || 'main', context.port(name)]),
            )
          : {},
        url: access?.url ?? null,
        credentials: access?.credentials ?? null,
        detail:
          presence.present === false
            ? presence.why
            : presence.present === 'external'
              ? 'external'
              : presence.how,
        since: alive ? record!.startedAt : null,
      };
    }),
  );
  const present = components.filter((component) => component.state !== 'absent');
  const running = present.filter((component) => component.state === 'running').length;
  return {
    stack: { name: stack.name, id: stack.id, dir: stack.dir },
    state:
      running === 0 && present.every((c) => c.pid === null)
        ? 'stopped'
        : running === present.length
          ? 'running'
          : 'partly running',
    components,
  };
}
