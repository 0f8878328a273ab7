import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** Folder of the case files; another folder of the same format can be named by BATCHSENDER_CASES. */
export const CASES =
  process.env.BATCHSENDER_CASES ?? fileURLToPath(new URL('../testdata/cases', import.meta.url));

export interface Case<Input = Record<string, unknown>, Expected = Record<string, unknown>> {
  id: string;
  kind: string;
  input: Input;
  expected: Expected;
  also_acceptable?: Expected[];
  must_not?: unknown;
  reason: string;
}

export function casesOf<Input, Expected>(area: string): Case<Input, Expected>[] {
  const file = `${CASES}/${area}/cases.json`;
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
}

/** One test per case, named by its id; it passes when the result fits `expected` or an alternative. */
export function testCases<Input, Expected>(
  area: string,
  run: (input: Input, one: Case<Input, Expected>) => Promise<unknown> | unknown,
  only: (one: Case<Input, Expected>) => boolean = () => true,
): void {
  const cases = casesOf<Input, Expected>(area).filter(only);
  test(`${area}: there are cases`, () => expect(cases.length).toBeGreaterThan(0));
  for (const one of cases) {
    test(`${one.id} ${one.kind}`, async () => {
      const result = await run(one.input, one);
      const fits = (one.also_acceptable ?? []).some((other) => matches(result, other));
      if (!fits) expect(result, one.reason).toMatchObject(one.expected as object);
    });
  }
}

function matches(result: unknown, expected: unknown): boolean {
  try {
    expect(result).toMatchObject(expected as object);
    return true;
  } catch {
    return false;
  }
}

interface Part {
  text?: string;
  repeat?: string;
  times?: number;
  rows?: { from: number; to: number; template: string; every?: { n: number; template: string }[] };
}

/** The bytes of a generated file, checked against the size and digest the case gives. */
export function generateFile(spec: { parts: Part[]; bytes?: number; sha256?: string }): Buffer {
  const out = Buffer.from(spec.parts.map(partText).join(''));
  if (spec.bytes !== undefined) expect(out.length).toBe(spec.bytes);
  if (spec.sha256) expect(createHash('sha256').update(out).digest('hex')).toBe(spec.sha256);
  return out;
}

function partText(part: Part): string {
  if (part.text !== undefined) return part.text;
  if (part.repeat !== undefined) return part.repeat.repeat(part.times ?? 1);
  const { from, to, template, every = [] } = part.rows!;
  let text = '';
  for (let n = from; n <= to; n++) {
    const chosen = every.find((entry) => n % entry.n === 0)?.template ?? template;
    text += chosen.replaceAll('{n}', String(n));
  }
  return text;
}
