import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rewriteLinks, withParameters } from '../../src/domain/links/rewrite.ts';
import { LinkSigner, PublicLinks } from '../../src/domain/links/token.ts';
import { escapeHtml } from '../../src/domain/template/html-escape.ts';

const signer = new LinkSigner('ab'.repeat(32));
const links = new PublicLinks('https://send.example.org/', signer);
const batchId = '01890a5d-ac96-774b-bcce-b302099a8057';

const url = fc
  .tuple(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
  )
  .map(([base, more]) => `${base}${more.replace(/\s|\p{Surrogate}|\p{Cc}/gu, '')}`);

test('whatever the target, the link leads back to exactly it, and the rest of the HTML keeps its bytes', () => {
  fc.assert(
    fc.property(
      fc.array(url, { maxLength: 6 }),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      (targets, text) => {
        const around = escapeHtml(text);
        const html = targets
          .map(
            (target, i) =>
              `<p title="${around}">${around}<a class=x href="${escapeHtml(target)}" id=l${i}>go</a>`,
          )
          .join('\n');
        const result = rewriteLinks(html, { trackedUrl: (target) => links.click(batchId, 7, target) });
        expect(result.targets).toEqual(targets);
        const tokens = [...result.html.matchAll(/href="https:\/\/send\.example\.org\/c\/([^"]+)"/g)].map(
          (match) => match[1]!,
        );
        expect(tokens.map((token) => signer.verify('click', token))).toEqual(
          targets.map((target) => ({ batchId, n: 7, target })),
        );
        let i = 0;
        const back = result.html.replace(
          /href="https:\/\/send\.example\.org\/c\/[^"]+"/g,
          () => `href="${escapeHtml(targets[i++]!)}"`,
        );
        expect(back).toBe(html);
      },
    ),
    { numRuns: 500 },
  );
});

test('a token that was changed in any character, or is for another purpose, is worth nothing', () => {
  const token = signer.sign('click', { batchId, n: 1, target: 'https://example.com/' });
  expect(signer.verify('click', token)?.target).toBe('https://example.com/');
  expect(signer.verify('unsubscribe', token)).toBeNull();
  expect(new LinkSigner('cd'.repeat(32)).verify('click', token)).toBeNull();
  for (let i = 0; i < token.length; i++) {
    const changed = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
    expect(signer.verify('click', changed)).toBeNull();
  }
  for (const odd of ['', 'x', `${token}=`, `${token} `, token.slice(1)])
    expect(signer.verify('click', odd)).toBeNull();
});

test('the pixel stands inside the body, wherever its end is', () => {
  const pixel = '<img src="p">';
  const add = (html: string) => rewriteLinks(html, { trackedUrl: null, append: pixel }).html;
  expect(add('<html><body><p>x</p></body></html>')).toBe(`<html><body><p>x</p>${pixel}</body></html>`);
  expect(add('<p>x')).toBe(`<p>x${pixel}`);
  // Behind a </body> that nobody opened, which parsers read as inside.
  expect(add('<p>x</body>')).toBe(`<p>x</body>${pixel}`);
});

test('no HTML, however broken, loses or doubles a byte', () => {
  const piece = fc.constantFrom(
    '<a href="https://a.example/?x=1&y=2">',
    '</a>',
    '<table>',
    '<tr>',
    '<p>',
    '</p>',
    '<b>',
    'text',
    '<!-- <a href="https://c.example"> -->',
    '<template>',
    "<a href='#x'>",
    '</body>',
    '<a',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const html = pieces.join('');
      expect(rewriteLinks(html, { trackedUrl: null, utm: {} }).html.replaceAll('&amp;', '&')).toBe(html);
    }),
    { numRuns: 2000 },
  );
});

test('campaign parameters keep what is there', () => {
  expect(withParameters('https://example.com/?', { a: '1' })).toBe('https://example.com/?a=1');
  expect(withParameters('https://example.com/?x=%20#f?g', { x: '2', y: 'ä' })).toBe(
    'https://example.com/?x=%20&y=%C3%A4#f?g',
  );
});
