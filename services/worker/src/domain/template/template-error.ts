import { LiquidError } from 'liquidjs';

export const TEMPLATE_PARTS = ['subject', 'html', 'text'] as const;
export type TemplatePart = (typeof TEMPLATE_PARTS)[number];
/** Where a problem is: a part, a header by its name, or the MJML that the HTML is made from. */
export type ProblemPlace = TemplatePart | `header ${string}` | 'mjml';

export type TemplateErrorCode =
  | 'missing_variable'
  | 'syntax_error'
  | 'unknown_tag'
  | 'unknown_filter'
  | 'limit_exceeded'
  | 'control_character'
  | 'not_allowed'
  | 'invalid_value';

/** What is wrong with a template, or with a template and one recipient's variables; line and column from 1. */
export interface TemplateProblem {
  code: TemplateErrorCode;
  part: ProblemPlace;
  line: number;
  column: number;
  variable?: string;
  message: string;
}

export class TemplateError extends Error {
  override name = 'TemplateError';
  readonly problems: TemplateProblem[];
  constructor(problems: TemplateProblem[]) {
    super(problems.map((p) => `${p.part}, line ${p.line}, column ${p.column}: ${p.message}`).join('; '));
    this.problems = problems;
  }
}

/** Tags that read other files; a batch's template is complete in itself. */
export const FORBIDDEN_TAGS = ['include', 'render', 'layout', 'block'];

/** The engine's error as ours. It has no codes, so its fixed wordings are told apart here and nowhere else. */
export function problemOf(error: unknown, part: ProblemPlace): TemplateProblem {
  if (!(LiquidError.is(error) || isPositioned(error))) throw error;
  const cause = innermost(error as LiquidLike);
  const [line, column] = position(cause) ?? position(error as LiquidLike) ?? [1, 1];
  const text = (cause.originalError?.message ?? cause.message).split(', file:')[0]!.split(', line:')[0]!;
  const problem = { part, line, column, message: text };
  const variable = /^undefined variable: (.+)$/.exec(text)?.[1];
  if (variable)
    return { ...problem, code: 'missing_variable', variable, message: `there is no variable "${variable}"` };
  if (/limit exceeded/.test(text)) return { ...problem, code: 'limit_exceeded' };
  if (/^undefined filter/.test(text)) return { ...problem, code: 'unknown_filter' };
  const tag = /^tag "?([\w-]+)"? not found/.exec(text)?.[1];
  if (tag) return { ...problem, code: FORBIDDEN_TAGS.includes(tag) ? 'not_allowed' : 'unknown_tag' };
  return {
    ...problem,
    code: error instanceof Error && error.name === 'RenderError' ? 'invalid_value' : 'syntax_error',
  };
}

interface LiquidLike extends Error {
  token?: { getPosition?: () => [number, number] };
  originalError?: LiquidLike;
}

function innermost(error: LiquidLike): LiquidLike {
  return error.originalError?.token ? innermost(error.originalError) : error;
}

function position(error: LiquidLike): [number, number] | null {
  return error.token?.getPosition?.() ?? null;
}

function isPositioned(error: unknown): boolean {
  return error instanceof Error && 'token' in error;
}
