import { type DefaultTreeAdapterTypes, parse } from 'parse5';
import { escapeHtml } from '../template/html-escape.ts';

type Node = DefaultTreeAdapterTypes.ChildNode | DefaultTreeAdapterTypes.Document;
type Element = DefaultTreeAdapterTypes.Element;

export interface RewriteOptions {
  /** Campaign parameters, added to web links that lack them. */
  utm?: Record<string, string>;
  /** Links that must work without a redirect, such as the unsubscribe link. */
  untracked?: ReadonlySet<string>;
  /** The link that stands for a target; null leaves links as they are (but for `utm`). */
  trackedUrl: ((target: string) => string) | null;
  /** Put before the end of the body. */
  append?: string;
}

export interface RewrittenHtml {
  html: string;
  /** Destinations of web links in document order, as a redirect must lead to. */
  targets: string[];
  /** Other href values, decoded. */
  untouched: string[];
}

/**
 * Rewrites hyperlinks. The HTML is parsed as browsers parse it; only the bytes of the href attributes that
 * change are replaced, everything else stays as it is.
 */
export function rewriteLinks(html: string, options: RewriteOptions): RewrittenHtml {
  const links: { start: number; end: number; href: string }[] = [];
  const document = parse(html, { sourceCodeLocationInfo: true, scriptingEnabled: false });
  collect(document, links);
  links.sort((a, b) => a.start - b.start);
  const result: RewrittenHtml = { html: '', targets: [], untouched: [] };
  let at = 0;
  let last = -1;
  for (const { start, end, href } of links) {
    // The parser may clone a link that is not closed properly; its source stands there once.
    if (start === last) continue;
    last = start;
    const address = href.trim();
    if (!isWebLink(address) || options.untracked?.has(address)) {
      result.untouched.push(href);
      continue;
    }
    const target = options.utm ? withParameters(address, options.utm) : address;
    result.targets.push(target);
    const replacement = options.trackedUrl ? options.trackedUrl(target) : target;
    result.html += `${html.slice(at, start)}href="${escapeHtml(replacement)}"`;
    at = end;
  }
  const close = options.append ? bodyEnd(document, html.length) : html.length;
  result.html += options.append
    ? `${html.slice(at, Math.max(at, close))}${options.append}${html.slice(Math.max(at, close))}`
    : html.slice(at);
  return result;
}

function collect(node: Node, links: { start: number; end: number; href: string }[]): void {
  if ('tagName' in node && (node.tagName === 'a' || node.tagName === 'area')) addLink(node, links);
  // What stands in a <template> hangs on its content.
  const inside = 'content' in node ? (node.content as DefaultTreeAdapterTypes.DocumentFragment) : null;
  if (inside) for (const child of inside.childNodes) collect(child, links);
  if ('childNodes' in node) for (const child of node.childNodes) collect(child, links);
}

function addLink(element: Element, links: { start: number; end: number; href: string }[]): void {
  const href = element.attrs.find((attribute) => attribute.name === 'href');
  const place = element.sourceCodeLocation?.attrs?.href;
  if (href && place) links.push({ start: place.startOffset, end: place.endOffset, href: href.value });
}

export function isWebLink(address: string): boolean {
  return /^https?:\/\//i.test(address);
}

/** Adds parameters that are not there yet, before the fragment; what stands in the query keeps its bytes. */
export function withParameters(address: string, parameters: Record<string, string>): string {
  const hash = address.indexOf('#');
  const base = hash < 0 ? address : address.slice(0, hash);
  const fragment = hash < 0 ? '' : address.slice(hash);
  const question = base.indexOf('?');
  const present = new URLSearchParams(question < 0 ? '' : base.slice(question + 1));
  const added = Object.entries(parameters)
    .filter(([name]) => !present.has(name))
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
  if (added === '') return address;
  const joint = question < 0 ? '?' : /[?&]$/.test(base) ? '' : '&';
  return `${base}${joint}${added}${fragment}`;
}

/** Where the body's content ends in the source. */
function bodyEnd(document: DefaultTreeAdapterTypes.Document, length: number): number {
  const html = document.childNodes.find((node) => node.nodeName === 'html') as Element | undefined;
  const body = html?.childNodes.find((node) => node.nodeName === 'body') as Element | undefined;
  return (
    body?.sourceCodeLocation?.endTag?.startOffset ?? html?.sourceCodeLocation?.endTag?.startOffset ?? length
  );
}

/** Links without a meaning in a message: relative ones, which no mail program can follow. */
export function relativeLinks(untouched: string[]): string[] {
  return untouched.filter((href) => {
    const address = href.trim();
    return address !== '' && !address.startsWith('#') && !/^[a-z][a-z0-9+.-]*:/i.test(address);
  });
}
