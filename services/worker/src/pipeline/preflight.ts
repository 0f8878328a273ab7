import { attachmentBytes } from '../domain/content/attachment.ts';
import { relativeLinks, rewriteLinks } from '../domain/links/rewrite.ts';
import type { PublicLinks } from '../domain/links/token.ts';
import type { TemplateProblem } from '../domain/template/template-error.ts';
import { BatchComposer, CannotCompose } from './batch-composer.ts';
import type { BatchContent, QueuedMessage } from './chunk-store.ts';
import type { OutgoingMessage } from './provider.ts';

const SAMPLES = 3;
const WORST_FAILURES = 5;
/** Headers of a mail beside the subject, roughly, bytes. */
const HEADER_BYTES = 700;

export interface RenderedSample {
  n: number;
  address: string;
  from: string | null;
  subject: string | null;
  html: string | null;
  text: string | null;
  headers: Record<string, string>;
  bytes: number;
}

/** One thing that goes wrong for some recipients. */
export interface RenderFailure {
  code: string;
  part: string;
  variable: string | null;
  count: number;
  example: { n: number; address: string; message: string };
}

export interface RenderReport {
  checked: number;
  suppressed: number;
  /** Recipients whose message cannot be made. */
  failing: number;
  failures: RenderFailure[];
  samples: RenderedSample[];
  longestSubject: RenderedSample | null;
  largest: RenderedSample | null;
  averageBytes: number;
  totalBytes: number;
  relativeLinks: string[];
}

/** Makes every message of a batch without sending one; memory does not grow with the batch. */
export async function renderReport(
  batch: BatchContent,
  pages: AsyncIterable<QueuedMessage[]>,
  links: PublicLinks | null,
): Promise<RenderReport> {
  const run = new RenderRun(batch, links);
  for await (const page of pages) for (const message of page) run.add(message);
  return run.report();
}

class RenderRun {
  private readonly plain: BatchComposer;
  private readonly full: BatchComposer;
  private readonly attached: number;
  private readonly failures = new Map<string, RenderFailure>();
  private readonly samples: RenderedSample[] = [];
  private longestSubject: OutgoingMessage | null = null;
  private largest: { message: OutgoingMessage; bytes: number } | null = null;
  private counts = { checked: 0, suppressed: 0, failing: 0, made: 0, bytes: 0 };

  constructor(batch: BatchContent, links: PublicLinks | null) {
    // Counting needs no tracking links, and parsing every HTML part would take ten times as long.
    this.plain = new BatchComposer({ ...batch, tracking: { clicks: false, opens: false } }, links);
    this.full = new BatchComposer(batch, links);
    this.attached = Math.ceil((attachmentBytes(batch.attachments) * 4) / 3);
  }

  add({ n, address, vars, suppressed }: QueuedMessage): void {
    this.counts.checked++;
    if (suppressed) {
      this.counts.suppressed++;
      return;
    }
    const variables = vars ? (JSON.parse(vars) as Record<string, unknown>) : {};
    try {
      this.made(this.plain.compose(n, address, variables));
    } catch (error) {
      if (!(error instanceof CannotCompose)) throw error;
      this.counts.failing++;
      for (const problem of error.problems) this.note(problem, n, address);
    }
  }

  report(): RenderReport {
    const { checked, suppressed, failing, made, bytes } = this.counts;
    const sample = (message: OutgoingMessage | undefined) =>
      message ? this.sample(this.full.compose(message.n, message.to, message.vars)) : null;
    const html = this.samples[0]?.html;
    return {
      checked,
      suppressed,
      failing,
      failures: [...this.failures.values()].sort((a, b) => b.count - a.count).slice(0, WORST_FAILURES),
      samples: this.samples,
      longestSubject: sample(this.longestSubject ?? undefined),
      largest: sample(this.largest?.message),
      averageBytes: made === 0 ? 0 : Math.round(bytes / made),
      totalBytes: bytes,
      relativeLinks: html ? relativeLinks(rewriteLinks(html, { trackedUrl: null }).untouched) : [],
    };
  }

  private made(message: OutgoingMessage): void {
    const bytes = this.bytes(message);
    this.counts.made++;
    this.counts.bytes += bytes;
    if (this.samples.length < SAMPLES)
      this.samples.push(this.sample(this.full.compose(message.n, message.to, message.vars)));
    const { subject } = message.content;
    if (subject !== undefined && subject.length > (this.longestSubject?.content.subject?.length ?? -1))
      this.longestSubject = message;
    if (bytes > (this.largest?.bytes ?? -1)) this.largest = { message, bytes };
  }

  private note(problem: TemplateProblem, n: number, address: string): void {
    const key = `${problem.code}\0${problem.part}\0${problem.variable ?? ''}`;
    const known = this.failures.get(key);
    if (known) known.count++;
    else
      this.failures.set(key, {
        code: problem.code,
        part: problem.part,
        variable: problem.variable ?? null,
        count: 1,
        example: { n, address, message: `${problem.part}, line ${problem.line}: ${problem.message}` },
      });
  }

  private bytes({ content: { subject = '', html = '', text = '' } }: OutgoingMessage): number {
    return (
      HEADER_BYTES +
      this.attached +
      Buffer.byteLength(subject) +
      Buffer.byteLength(html) +
      Buffer.byteLength(text)
    );
  }

  private sample(message: OutgoingMessage): RenderedSample {
    const { subject = null, html = null, text = null } = message.content;
    return {
      n: message.n,
      address: message.to,
      from: message.from,
      subject,
      html,
      text,
      headers: message.headers ?? {},
      bytes: this.bytes(message),
    };
  }
}
