import type { Liquid, Template } from 'liquidjs';
import { createEngine } from './engine.ts';
import { escapeHtml } from './html-escape.ts';
import { type PlainTemplate, parsePlain, renderPlain } from './plain.ts';
import {
  problemOf,
  TEMPLATE_PARTS,
  TemplateError,
  type TemplatePart,
  type TemplateProblem,
} from './template-error.ts';

/** Content of a batch; at least one of `html` and `text`. */
export type TemplateSource = Partial<Record<TemplatePart, string>>;
export type RenderedContent = Partial<Record<TemplatePart, string>>;
export type RenderResult =
  | { ok: true; content: RenderedContent }
  | { ok: false; problems: TemplateProblem[] };

export interface TemplateOptions {
  /** IANA zone in which dates are printed. */
  timezone?: string;
  /** A missing variable is an error of that message, or prints as nothing. */
  missing?: 'error' | 'empty';
}

export interface CompiledTemplate {
  /** Renders for one recipient; never throws, problems are values. */
  render(variables: Record<string, unknown>): RenderResult;
}

/**
 * Compiles Liquid for subject, HTML and text. Values are escaped in HTML only.
 *
 * @throws TemplateError with every part's problem when a part does not parse
 */
export function compileTemplate(source: TemplateSource, options: TemplateOptions = {}): CompiledTemplate {
  const engines = { text: lazyEngine('text', options), html: lazyEngine('html', options) };
  const problems: TemplateProblem[] = [];
  const parts: CompiledPart[] = [];
  for (const part of TEMPLATE_PARTS) {
    const text = source[part];
    if (text === undefined) continue;
    try {
      parts.push(compilePart(part, text, part === 'html' ? engines.html : engines.text, options));
    } catch (error) {
      problems.push(problemOf(error, part));
    }
  }
  if (problems.length) throw new TemplateError(problems);
  return { render: (variables) => renderParts(parts, variables) };
}

type CompiledPart = { part: TemplatePart; render(variables: Record<string, unknown>): string };

function lazyEngine(kind: 'text' | 'html', options: TemplateOptions): () => Liquid {
  let engine: Liquid | null = null;
  return () => {
    engine ??= createEngine(kind, options.timezone ?? 'UTC');
    return engine;
  };
}

function compilePart(
  part: TemplatePart,
  source: string,
  engine: () => Liquid,
  options: TemplateOptions,
): CompiledPart {
  const plain = parsePlain(source);
  let parsed: Template[] | null = plain ? null : engine().parse(source);
  const strict = options.missing !== 'empty';
  const byEngine = (variables: Record<string, unknown>): string => {
    parsed ??= engine().parse(source);
    return engine().renderSync(parsed, variables, { strictVariables: strict });
  };
  const escapeValue = part === 'html' ? escapeHtml : null;
  return {
    part,
    render(variables) {
      const result = plain ? renderPlain(plain, variables, escapeValue) : 'needs-engine';
      if (result === 'needs-engine') return byEngine(variables);
      if ('text' in result) return result.text;
      if (!strict) return byEngine(variables);
      throw new MissingVariable(part, source, plain!, result.missing);
    },
  };
}

class MissingVariable extends Error {
  readonly problem: TemplateProblem;
  constructor(part: TemplatePart, source: string, plain: PlainTemplate, index: number) {
    const variable = plain.paths[index]!.join('.');
    super(`there is no variable "${variable}"`);
    const before = source.slice(0, plain.offsets[index]!).split('\n');
    this.problem = {
      code: 'missing_variable',
      part,
      line: before.length,
      column: before.at(-1)!.length + 1,
      variable,
      message: this.message,
    };
  }
}

function renderParts(parts: CompiledPart[], variables: Record<string, unknown>): RenderResult {
  const content: RenderedContent = {};
  const problems: TemplateProblem[] = [];
  for (const { part, render } of parts) {
    try {
      content[part] = part === 'subject' ? subjectLine(render(variables)) : render(variables);
    } catch (error) {
      problems.push(
        error instanceof MissingVariable || error instanceof ControlCharacter
          ? error.problem
          : problemOf(error, part),
      );
    }
  }
  return problems.length ? { ok: false, problems } : { ok: true, content };
}

class ControlCharacter extends Error {
  readonly problem: TemplateProblem = {
    code: 'control_character',
    part: 'subject',
    line: 1,
    column: 1,
    message: 'a value puts a control character into the subject',
  };
}

/** A header is one line: runs of white space with a line break become one space, other controls are refused. */
function subjectLine(text: string): string {
  if (!/[\u0000-\u001f\u007f\u2028\u2029]/.test(text)) return text.trim();
  const line = text
    .replace(/\s*[\r\n\u2028\u2029]\s*/g, ' ')
    .replaceAll('\t', ' ')
    .trim();
  if (/[\u0000-\u001f\u007f]/.test(line)) throw new ControlCharacter();
  return line;
}
