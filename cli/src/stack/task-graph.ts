/** A step of `up`: runs when all it needs is done. */
export interface Task {
  id: string;
  title: string;
  needs: string[];
  /** Returns what to say about it, or 'skipped' with a reason. */
  run(signal: AbortSignal): Promise<TaskOutcome>;
}

export interface TaskOutcome {
  status: 'done' | 'unchanged' | 'skipped';
  detail: string;
}

export type TaskEvent =
  | { type: 'task'; id: string; title: string; status: 'started' }
  | {
      type: 'task';
      id: string;
      title: string;
      status: 'done' | 'unchanged' | 'skipped';
      detail: string;
      ms: number;
    }
  | { type: 'task'; id: string; title: string; status: 'failed'; detail: string; ms: number };

export interface TaskTiming {
  id: string;
  title: string;
  startMs: number;
  endMs: number;
}

/**
 * Runs tasks in dependency order, side by side where nothing keeps them apart. The first failure stops what
 * has not begun and aborts what runs; it is thrown after everything has come to rest.
 */
export async function runTasks(
  tasks: Task[],
  emit: (event: TaskEvent) => void,
  signal: AbortSignal,
): Promise<TaskTiming[]> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const began = performance.now();
  const timings: TaskTiming[] = [];
  const promises = new Map<string, Promise<void>>();
  let firstError: unknown = null;
  for (const task of ordered(tasks)) {
    const needed = task.needs.map((id) => promises.get(id));
    promises.set(
      task.id,
      Promise.all(needed).then(() => runOne(task)),
    );
  }
  await Promise.allSettled(promises.values());
  if (firstError) throw firstError;
  signal.throwIfAborted();
  return timings;

  async function runOne(task: Task): Promise<void> {
    stop.throwIfAborted();
    const startMs = performance.now() - began;
    emit({ type: 'task', id: task.id, title: task.title, status: 'started' });
    try {
      const { status, detail } = await task.run(stop);
      const endMs = performance.now() - began;
      timings.push({ id: task.id, title: task.title, startMs, endMs });
      emit({ type: 'task', id: task.id, title: task.title, status, detail, ms: Math.round(endMs - startMs) });
    } catch (error) {
      if (stop.aborted && (error as Error).name === 'AbortError') {
        emit({
          type: 'task',
          id: task.id,
          title: task.title,
          status: 'skipped',
          detail: 'stopped waiting',
          ms: 0,
        });
        throw error;
      }
      firstError ??= error;
      failed.abort();
      emit({
        type: 'task',
        id: task.id,
        title: task.title,
        status: 'failed',
        detail: (error as Error).message,
        ms: Math.round(performance.now() - began - startMs),
      });
      throw error;
    }
  }
}

/** Tasks after everything they need. @throws on an unknown need or a circle: a mistake in the program */
export function ordered(tasks: Task[]): Task[] {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const done = new Set<string>();
  const result: Task[] = [];
  const visit = (task: Task, path: string[]) => {
    if (done.has(task.id)) return;
    if (path.includes(task.id)) throw new Error(`tasks need each other: ${[...path, task.id].join(' → ')}`);
    for (const id of task.needs) {
      const need = byId.get(id);
      if (!need) throw new Error(`task ${task.id} needs ${id}, which does not exist`);
      visit(need, [...path, task.id]);
    }
    done.add(task.id);
    result.push(task);
  };
  for (const task of tasks) visit(task, []);
  return result;
}

/** The chain of tasks that decided how long it took, last first to first. */
export function criticalChain(tasks: Task[], timings: TaskTiming[]): TaskTiming[] {
  const byId = new Map(timings.map((timing) => [timing.id, timing]));
  const needs = new Map(tasks.map((task) => [task.id, task.needs]));
  const chain: TaskTiming[] = [];
  let current = timings.reduce<TaskTiming | undefined>(
    (last, timing) => (!last || timing.endMs > last.endMs ? timing : last),
    undefined,
  );
  while (current) {
    chain.unshift(current);
    const before: TaskTiming[] = (needs.get(current.id) ?? []).flatMap((id) => byId.get(id) ?? []);
    current = before.reduce<TaskTiming | undefined>(
      (last, timing) => (!last || timing.endMs > last.endMs ? timing : last),
      undefined,
    );
  }
  return chain;
}
