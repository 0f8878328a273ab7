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
export type TemplateSource = Partial<Record<TemplatePart, string>> & {
  /** Custom mail headers; values are templates too. */
  headers?: Record<string, string>;
};
export type RenderedContent = Partial<Record<TemplatePart, string>> & { headers?: Record<string, string> };
export type RenderResult =
  | { ok: true; content: RenderedContent }
  | { ok: false; problems: TemplateProblem[] };

export interface TemplateOptions {
  /** IANA zone in which dates are printed. */
  timezone?: string;
  /** A missing variable is an error of that message, or prints as nothing; `defaults` come before either. */
  missing?: MissingPolicy;
  /** Values for variables that a recipient lacks or has empty. */
  defaults?: Record<string, unknown>;
}

export const MISSING_POLICIES = ['error', 'empty', 'default'] as const;
export type MissingPolicy = (typeof MISSING_POLICIES)[number];

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
  const add = (part: CompiledPart['part'], text: string | undefined) => {
    if (text === undefined) return;
    try {
      parts.push(compilePart(part, text, part === 'html' ? engines.html : engines.text, options));
    } catch (error) {
      problems.push(problemOf(error, part));
    }
  };
  for (const part of TEMPLATE_PARTS) add(part, source[part]);
  for (const [name, value] of Object.entries(source.headers ?? {})) add(`header ${name}`, value);
  if (problems.length) throw new TemplateError(problems);
  const { defaults } = options;
  return {
    render: (variables) => renderParts(parts, defaults ? withDefaults(variables, defaults) : variables),
  };
}

function withDefaults(
  variables: Record<string, unknown>,
  defaults: Record<string, unknown>,
): Record<string, unknown> {
  const all = { ...variables };
  for (const [name, value] of Object.entries(defaults)) {
    const given = Object.hasOwn(all, name) ? all[name] : undefined;
    if (given === undefined || given === null || given === '') all[name] = value;
  }
  return all;
}

type CompiledPart = {
  part: TemplatePart | `header ${string}`;
  render(variables: Record<string, unknown>): string;
};

function lazyEngine(kind: 'text' | 'html', options: TemplateOptions): () => Liquid {
  let engine: Liquid | null = null;
  return () => {
    engine ??= createEngine(kind, options.timezone ?? 'UTC');
    return engine;
  };
}

function compilePart(
  part: CompiledPart['part'],
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
  constructor(part: CompiledPart['part'], source: string, plain: PlainTemplate, index: number) {
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
      const text = render(variables);
      if (part === 'html' || part === 'text') content[part] = text;
      else if (part === 'subject') content.subject = headerLine(text);
      else {
        content.headers ??= {};
        content.headers[part.slice('header '.length)] = headerLine(text);
      }
    } catch (error) {
      if (error instanceof MissingVariable) problems.push(error.problem);
      else if (error instanceof ControlCharacter) problems.push({ ...CONTROL_CHARACTER, part });
      else problems.push(problemOf(error, part));
    }
  }
  return problems.length ? { ok: false, problems } : { ok: true, content };
}

class ControlCharacter extends Error {}

const CONTROL_CHARACTER = {
  code: 'control_character',
  line: 1,
  column: 1,
  message: 'a value puts a control character into a header',
} as const;

/** A header is one line: runs of white space with a line break become one space, other controls are refused. */
function headerLine(text: string): string {
  if (!/[\u0000-\u001f\u007f\u2028\u2029]/.test(text)) return text.trim();
  const line = text
    .replace(/\s*[\r\n\u2028\u2029]\s*/g, ' ')
    .replaceAll('\t', ' ')
    .trim();
  if (/[\u0000-\u001f\u007f]/.test(line)) throw new ControlCharacter();
  return line;
}
