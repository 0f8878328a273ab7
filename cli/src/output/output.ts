import { createInterface } from 'node:readline/promises';
import kleur from 'kleur';
import { CliError, EXIT } from '../cli-error.ts';
import type { TaskEvent } from '../stack/task-graph.ts';

/** Version of every JSON line and object below; changes only with a breaking one. */
export const SCHEMA_VERSION = 1;

export interface OutputOptions {
  json: boolean;
  quiet: boolean;
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const SPINNER_MS = 100;
const MARKS = {
  done: kleur.green('✔'),
  unchanged: kleur.green('✔'),
  skipped: kleur.dim('○'),
  failed: kleur.red('✘'),
};

/** Where everything a user reads goes out: data on stdout, progress and errors on stderr. */
export class Output {
  readonly json: boolean;
  /** A person watches: spinners, prompts and browsers make sense. */
  readonly interactive: boolean;
  private readonly quiet: boolean;
  private readonly running = new Map<string, string>();
  private timer: NodeJS.Timeout | null = null;
  private frame = 0;
  private drawn = 0;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.interactive =
      !options.json && process.stderr.isTTY === true && process.stdout.isTTY === true && !process.env.CI;
    if (process.env.NO_COLOR !== undefined || process.stderr.isTTY !== true) kleur.enabled = false;
  }

  /** A result: the object with --json, else its text. */
  result(value: object, text: string): void {
    this.settle();
    process.stdout.write(
      this.json
        ? `${JSON.stringify({ schema: SCHEMA_VERSION, ...value })}\n`
        : text === ''
          ? ''
          : `${text}\n`,
    );
  }

  /** A line of progress; with --json an event on stdout. */
  event(event: object, text: string | null): void {
    if (this.json) process.stdout.write(`${JSON.stringify({ schema: SCHEMA_VERSION, ...event })}\n`);
    else if (text !== null && !this.quiet) this.line(text);
  }

  task(event: TaskEvent): void {
    if (this.json) {
      this.event(event, null);
      return;
    }
    if (this.quiet) return;
    if (event.status === 'started') {
      this.running.set(event.id, event.title);
      this.spin();
      return;
    }
    this.running.delete(event.id);
    const time = event.ms >= 100 ? kleur.dim(` ${(event.ms / 1000).toFixed(1)} s`) : '';
    this.line(
      `${MARKS[event.status]} ${event.title.padEnd(TITLE_WIDTH)} ${event.status === 'failed' ? event.detail : kleur.dim(event.detail)}${time}`,
    );
  }

  /** The error for people on stderr, or as an object on stdout, and the exit code that goes with it. */
  failure(error: unknown): number {
    this.settle();
    const known =
      error instanceof CliError
        ? error
        : new CliError('internal', EXIT.failed, (error as Error)?.message ?? String(error), {
            evidence: process.env.DEBUG ? [(error as Error).stack ?? ''] : [],
          });
    if (this.json)
      process.stdout.write(
        `${JSON.stringify({ schema: SCHEMA_VERSION, type: 'error', error: known.toJSON() })}\n`,
      );
    else process.stderr.write(errorText(known));
    return known.exitCode;
  }

  /** Asks on the terminal; only where `interactive`. Anything but "y" means no. */
  async confirm(question: string): Promise<boolean> {
    this.settle();
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question(`${question} [y/N] `);
    terminal.close();
    return /^y(es)?$/i.test(answer.trim());
  }

  /** Replaces the last progress line on a terminal; prints nothing elsewhere. */
  live(text: string): void {
    if (!this.interactive) return;
    this.erase();
    process.stderr.write(`${text}\n`);
    this.drawn = 1;
  }

  private line(text: string): void {
    this.erase();
    process.stderr.write(`${text}\n`);
    this.draw();
  }

  private spin(): void {
    if (!this.interactive || this.timer) return;
    this.timer = setInterval(() => {
      this.frame++;
      this.erase();
      this.draw();
    }, SPINNER_MS);
    this.timer.unref();
  }

  private draw(): void {
    if (!this.interactive || this.running.size === 0) return;
    const width = (process.stderr.columns ?? 80) - 3;
    const text = [...this.running.values()].join(', ');
    process.stderr.write(
      `${kleur.cyan(SPINNER[this.frame % SPINNER.length]!)} ${text.length > width ? `${text.slice(0, width - 1)}…` : text}\n`,
    );
    this.drawn = 1;
  }

  private erase(): void {
    if (this.drawn) process.stderr.write('\x1b[1A\x1b[2K');
    this.drawn = 0;
  }

  private settle(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.running.clear();
    this.erase();
  }
}

const TITLE_WIDTH = 12;

function errorText(error: CliError): string {
  const lines = [`${kleur.red().bold('error')} ${kleur.bold(error.id)}: ${error.message}`];
  if (error.evidence.length)
    lines.push(...error.evidence.filter(Boolean).map((line) => kleur.dim(`  │ ${line}`)));
  if (error.fix) lines.push(`  ${kleur.cyan('fix')}: ${error.fix}`);
  return `${lines.join('\n')}\n`;
}
