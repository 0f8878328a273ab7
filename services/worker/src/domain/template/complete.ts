import { convert } from 'html-to-text';
import { compileTemplate, type TemplateSource } from './template.ts';
import { TemplateError } from './template-error.ts';

export interface TemplateInput {
  subject?: string;
  html?: string;
  /** Null: no plain text at all. Absent: made from the HTML. */
  text?: string | null;
  /** Instead of html. */
  mjml?: string;
  headers?: Record<string, string>;
}

/**
 * A template as it is stored and sent: MJML made into HTML, plain text made from HTML. Both are done on the
 * template, once for the batch; Liquid tags stay where they are.
 *
 * @throws TemplateError
 */
export async function completeTemplate(input: TemplateInput): Promise<TemplateSource> {
  const { mjml, text, ...rest } = input;
  const template: TemplateSource = {
    ...rest,
    ...(mjml === undefined ? {} : { html: await htmlOfMjml(mjml) }),
    ...(typeof text === 'string' ? { text } : {}),
  };
  if (text !== undefined || template.html === undefined) return template;
  const derived = textOfHtml(template.html);
  return derived.trim() !== '' && compiles(derived) ? { ...template, text: derived } : template;
}

/** Tags that stand in attributes are lost on the way to text; when an `if` loses its `endif`, there is no text. */
function compiles(text: string): boolean {
  try {
    compileTemplate({ text });
    return true;
  } catch (error) {
    if (error instanceof TemplateError) return false;
    throw error;
  }
}

const HEADINGS = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'];

/** Plain text of HTML: links with their address behind them, images left out, nothing wrapped. */
export function textOfHtml(html: string): string {
  return convert(html, {
    wordwrap: false,
    selectors: [
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, ignoreHref: false } },
      // In capitals a variable would have another name.
      ...HEADINGS.map((selector) => ({ selector, options: { uppercase: false } })),
    ],
  });
}

/** The engine is WebAssembly: loaded by the first template that needs it. */
async function htmlOfMjml(mjml: string): Promise<string> {
  const { Engine } = await import('mrml');
  const engine = new Engine();
  try {
    const result = engine.toHtml(mjml);
    if (result.type === 'error') throw mjmlError(mjml, result.message, positionOf(result));
    const unknown = /<(mj-[\w-]+)/.exec(result.content)?.[1];
    if (unknown) throw mjmlError(mjml, `there is no element <${unknown}>`, mjml.indexOf(`<${unknown}`));
    return result.content;
  } finally {
    engine.free();
  }
}

function positionOf(result: object): number {
  const { details } = result as { details?: { position?: { start: number } } };
  return details?.position?.start ?? 0;
}

function mjmlError(mjml: string, message: string, offset: number): TemplateError {
  const before = mjml.slice(0, Math.max(0, offset)).split('\n');
  const at = { line: before.length, column: before.at(-1)!.length + 1 };
  return new TemplateError([{ code: 'syntax_error', part: 'mjml', ...at, message }]);
}
