import { type DefaultTreeAdapterTypes, parse } from 'parse5';
import { expect } from 'vitest';
import { rewriteLinks } from '../../src/domain/links/rewrite.ts';
import { compileTemplate } from '../../src/domain/template/template.ts';
import { type Case, testCases } from './case-files.ts';

interface Input {
  html: string;
  variables?: Record<string, unknown>;
  utm?: Record<string, string>;
}
interface Expected {
  targets: string[];
  untouched: string[];
  location?: string[];
  unchanged_attributes?: { element: string; attribute: string; value: string }[];
  must_contain?: string[];
}

const SYSTEM_LINKS = ['unsubscribe_url', 'preferences_url', 'view_url'];

/** The endpoint cases (redirect, unsubscribe) need the API: links.integration.test.ts. */
testCases<Input, Expected>('links', rewrite, (one) => one.kind.startsWith('rewrite_'));

function rewrite({ html, variables = {}, utm }: Input, { expected }: Case<Input, Expected>) {
  const rendered = compileTemplate({ html }).render(variables);
  if (!rendered.ok) throw new Error(JSON.stringify(rendered.problems));
  const tracked: string[] = [];
  const result = rewriteLinks(rendered.content.html!, {
    utm,
    untracked: new Set(SYSTEM_LINKS.map((name) => String(variables[name]))),
    trackedUrl: (target) => `https://track.example/${tracked.push(target) - 1}?a=1&b=2`,
  });
  const after = hrefs(result.html);
  // Links in the result are ours where they are tracked, and as they were elsewhere.
  expect(after.filter((href) => href.startsWith('https://track.example/'))).toEqual(
    tracked.map((_, i) => `https://track.example/${i}?a=1&b=2`),
  );
  for (const text of expected.must_contain ?? []) expect(result.html).toContain(text);
  for (const { element, attribute, value } of expected.unchanged_attributes ?? [])
    expect(attributes(result.html, element, attribute)).toContain(value);
  const targets = result.targets.map((target, i) =>
    sameUrl(target, expected.targets[i]) ? expected.targets[i] : target,
  );
  return {
    targets,
    untouched: result.untouched,
    ...(expected.location ? { location: result.targets.map((target) => new URL(target).href) } : {}),
    ...(expected.unchanged_attributes ? { unchanged_attributes: expected.unchanged_attributes } : {}),
    ...(expected.must_contain ? { must_contain: expected.must_contain } : {}),
  };
}

function sameUrl(a: string, b: string | undefined): boolean {
  return b !== undefined && URL.canParse(a) && URL.canParse(b) && new URL(a).href === new URL(b).href;
}

function hrefs(html: string): string[] {
  return attributes(html, 'a', 'href');
}

function attributes(html: string, element: string, name: string): string[] {
  const found: string[] = [];
  const walk = (node: DefaultTreeAdapterTypes.Node) => {
    if ('tagName' in node && node.tagName === element)
      found.push(...node.attrs.filter((attribute) => attribute.name === name).map(({ value }) => value));
    if ('childNodes' in node) for (const child of node.childNodes) walk(child);
  };
  walk(parse(html));
  return found;
}
