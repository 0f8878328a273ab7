/** One engine that this process uses. */
export interface Dependency {
  /** Nothing works without it; the others are missed, and the work goes on. */
  required: boolean;
  /** Resolves when it answers; the error says why not. */
  check(): Promise<void>;
}

export type DependencyStates = Record<string, string>;

const ANSWER_WITHIN_MS = 2000;
/** /health/ready and the metrics are public: however often they are asked, a dependency is asked once in this time. */
const FRESH_MS = 500;

/** What each dependency says: "ok", or the reason why not. */
export class Dependencies {
  private readonly all: Record<string, Dependency>;
  private askedAt = Number.NEGATIVE_INFINITY;
  private asking: Promise<DependencyStates> = Promise.resolve({});

  constructor(all: Record<string, Dependency>) {
    this.all = all;
  }

  states(): Promise<DependencyStates> {
    if (performance.now() - this.askedAt < FRESH_MS) return this.asking;
    this.askedAt = performance.now();
    this.asking = this.ask();
    return this.asking;
  }

  /** `degraded` when only such are missing that the work goes on without. */
  async verdict(): Promise<{ status: 'ready' | 'degraded' | 'not ready'; dependencies: DependencyStates }> {
    const dependencies = await this.states();
    const missing = Object.keys(dependencies).filter((name) => dependencies[name] !== 'ok');
    if (missing.length === 0) return { status: 'ready', dependencies };
    const required = missing.some((name) => this.all[name]!.required);
    return { status: required ? 'not ready' : 'degraded', dependencies };
  }

  private async ask(): Promise<DependencyStates> {
    const states = await Promise.all(
      Object.entries(this.all).map(async ([name, { check }]) => [name, await stateOf(check)] as const),
    );
    return Object.fromEntries(states);
  }
}

async function stateOf(check: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_WITHIN_MS} ms`)), ANSWER_WITHIN_MS);
  });
  try {
    await Promise.race([check(), late]);
    return 'ok';
  } catch (error) {
    return (error as Error).message || 'failed';
  } finally {
    clearTimeout(timer);
  }
}
