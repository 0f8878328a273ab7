import { expect, test } from 'vitest';
import { criticalChain, ordered, runTasks, type Task, type TaskEvent } from '../src/stack/task-graph.ts';

const task = (
  id: string,
  needs: string[],
  run: Task['run'] = async () => ({ status: 'done', detail: '' }),
): Task => ({ id, title: id, needs, run });

test('tasks run after what they need, and side by side otherwise', async () => {
  const running = new Set<string>();
  let most = 0;
  const slow = (id: string, needs: string[]) =>
    task(id, needs, async () => {
      running.add(id);
      most = Math.max(most, running.size);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running.delete(id);
      return { status: 'done', detail: '' };
    });
  const finished: string[] = [];
  const tasks = [slow('c', ['a', 'b']), slow('a', []), slow('b', [])];
  const timings = await runTasks(
    tasks,
    (event) => event.status === 'done' && finished.push(event.id),
    new AbortController().signal,
  );
  expect(most).toBe(2);
  expect(finished.at(-1)).toBe('c');
  expect(criticalChain(tasks, timings).at(-1)!.id).toBe('c');
  expect(criticalChain(tasks, timings)).toHaveLength(2);
});

test('the first failure stops what has not begun, aborts what runs, and is thrown', async () => {
  const events: TaskEvent[] = [];
  let aborted = false;
  const tasks = [
    task('bad', [], async () => {
      throw new Error('boom');
    }),
    task('long', [], async (signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      aborted = true;
      signal.throwIfAborted();
      return { status: 'done', detail: '' };
    }),
    task('after', ['bad']),
  ];
  await expect(runTasks(tasks, (event) => events.push(event), new AbortController().signal)).rejects.toThrow(
    'boom',
  );
  expect(aborted).toBe(true);
  expect(events.filter((event) => event.id === 'after')).toEqual([]);
  expect(events.find((event) => event.id === 'long' && event.status !== 'started')!.status).toBe('skipped');
});

test('a circle and an unknown need are mistakes of the program and are named', () => {
  expect(() => ordered([task('a', ['b']), task('b', ['a'])])).toThrow('a → b → a');
  expect(() => ordered([task('a', ['x'])])).toThrow('needs x');
});
