import { parseEmail } from '../domain/address/email.ts';
import { addressKey } from '../domain/channel.ts';
import { rewriteLinks } from '../domain/links/rewrite.ts';
import type { PublicLinks } from '../domain/links/token.ts';
import { failed, type Outcome, suppressed } from '../domain/outcome.ts';
import { type CompiledTemplate, compileTemplate } from '../domain/template/template.ts';
import type { TemplateProblem } from '../domain/template/template-error.ts';
import type { BatchContent, QueuedMessage } from './chunk-store.ts';
import type { OutgoingMessage } from './provider.ts';

/** What is wrong with a template for one recipient, or with a value that replaces a part of the message. */
export class CannotCompose extends Error {
  override name = 'CannotCompose';
  readonly problems: TemplateProblem[];
  constructor(problems: TemplateProblem[]) {
    const [first] = problems;
    super(first ? `${first.part}, line ${first.line}: ${first.message}` : '');
    this.problems = problems;
  }
}

/** Variables that exist without a column; asked for only when the template has them. */
const OWN_VARIABLES = /\b(?:unsubscribe_url|address|email|phone)\b/;

/** Writes the messages of one batch: what is the same for all is prepared once. */
export class BatchComposer {
  readonly batch: BatchContent;
  private readonly template: CompiledTemplate;
  private readonly links: PublicLinks | null;
  private readonly needsOwnVariables: boolean;
  private readonly rewrites: boolean;

  /** @throws TemplateError */
  constructor(batch: BatchContent, links: PublicLinks | null) {
    this.batch = batch;
    this.links = links;
    this.template = compileTemplate(batch.template, {
      timezone: batch.timezone,
      missing: batch.missingVariables,
      defaults: batch.defaults,
    });
    this.needsOwnVariables = OWN_VARIABLES.test(JSON.stringify(batch.template));
    const { clicks, opens, utm } = batch.tracking;
    this.rewrites = clicks || opens || utm !== undefined;
  }

  /** The message, or why it is not sent. */
  outgoing(message: QueuedMessage): OutgoingMessage | Outcome {
    if (message.suppressed) return suppressed(`${addressKey(message.address)} is on the suppression list`);
    try {
      return this.compose(message.n, message.address, parseVariables(message.vars));
    } catch (error) {
      if (!(error instanceof CannotCompose)) throw error;
      return failed(error.problems[0]!.code, error.message);
    }
  }

  /** @throws CannotCompose */
  compose(n: number, address: string, variables: Record<string, unknown>): OutgoingMessage {
    const { batch } = this;
    const unsubscribe = batch.unsubscribe && this.links ? this.links.unsubscribe(batch.id, n) : null;
    const rendered = this.template.render(
      this.needsOwnVariables ? withOwn(variables, address, unsubscribe) : variables,
    );
    if (!rendered.ok) throw new CannotCompose(rendered.problems);
    const { headers, subject, html, text } = rendered.content;
    const { overrides } = batch;
    const ownSubject = overrides.subject ? override(variables, overrides.subject) : null;
    return {
      id: `${batch.id}.${n}`,
      batchId: batch.id,
      n,
      channel: batch.channel,
      to: address,
      from: mailboxOverride(variables, overrides.from) ?? batch.sender,
      replyTo: mailboxOverride(variables, overrides.replyTo) ?? batch.replyTo,
      headers: unsubscribe ? { ...headers, ...oneClick(unsubscribe) } : headers,
      vars: variables,
      content: {
        subject: ownSubject ?? subject,
        html: this.rewrites && html !== undefined ? this.track(html, n, unsubscribe) : html,
        text,
      },
      attachments: batch.attachments,
    };
  }

  private track(html: string, n: number, unsubscribe: string | null): string {
    const { links, batch } = this;
    const { clicks, opens, utm } = batch.tracking;
    return rewriteLinks(html, {
      utm,
      untracked: unsubscribe ? new Set([unsubscribe]) : undefined,
      trackedUrl: clicks && links ? (target) => links.click(batch.id, n, target) : null,
      append:
        opens && links ? `<img src="${links.pixel(batch.id, n)}" width="1" height="1" alt="">` : undefined,
    }).html;
  }
}

/** RFC 8058. */
function oneClick(url: string): Record<string, string> {
  return { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' };
}

function parseVariables(text: string | null): Record<string, unknown> {
  return text ? (JSON.parse(text) as Record<string, unknown>) : {};
}

/** A column of the same name wins. */
function withOwn(
  variables: Record<string, unknown>,
  address: string,
  unsubscribe: string | null,
): Record<string, unknown> {
  return {
    address,
    email: address,
    phone: address,
    ...(unsubscribe ? { unsubscribe_url: unsubscribe } : {}),
    ...variables,
  };
}

/** The recipient's own value for a part of the message, or null when it has none. */
function override(variables: Record<string, unknown>, name: string): string | null {
  const value = variables[name];
  if (value === undefined || value === null || value === '') return null;
  const text = String(value);
  if (/\p{Cc}/u.test(text)) throw invalid(name, 'has a control character', 'control_character');
  return text;
}

function mailboxOverride(variables: Record<string, unknown>, name: string | undefined): string | null {
  const value = name === undefined ? null : override(variables, name);
  if (value === null) return null;
  const parsed = parseEmail(value);
  if (!parsed.valid) throw invalid(name!, `is not an e-mail address (${parsed.reason})`, 'invalid_value');
  return value;
}

function invalid(variable: string, what: string, code: 'invalid_value' | 'control_character'): CannotCompose {
  return new CannotCompose([
    { code, part: `header ${variable}`, line: 1, column: 1, variable, message: `"${variable}" ${what}` },
  ]);
}
