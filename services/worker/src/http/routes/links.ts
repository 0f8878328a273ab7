import type { FastifyInstance, FastifyReply } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import type { LinkPurpose, LinkSigner, LinkToken } from '../../domain/links/token.ts';
import { escapeHtml } from '../../domain/template/html-escape.ts';
import type { LinkActions, LinkRecipient } from '../stores.ts';

/** A transparent GIF of one pixel. */
const PIXEL = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const MAX_FORM_BYTES = 64 * 1024;

export interface LinkDeps {
  actions: LinkActions;
  signer: LinkSigner;
}

/**
 * Links that recipients follow. They carry no key: the signature in the path is the proof. Looking changes
 * nothing, since mail scanners fetch every address; only a POST unsubscribes.
 */
export function linkRoutes(app: FastifyInstance, { actions, signer }: LinkDeps): void {
  const open = { config: { access: 'public' as const }, schema: { security: [], hide: true } };
  app.removeAllContentTypeParsers();
  // RFC 8058: what the form says does not matter, the POST itself is the request.
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: MAX_FORM_BYTES }, (_request, body, done) =>
    done(null, body),
  );
  app.get('/c/:token', open, async (request, reply) => {
    const { batchId, n, target } = verified('click', request.params, signer);
    await actions.record(batchId, n, 'clicked', target);
    return reply
      .header('cache-control', 'no-store')
      .header('referrer-policy', 'no-referrer')
      .redirect(new URL(target).href, 302);
  });
  app.get('/o/:token', open, async (request, reply) => {
    const { batchId, n } = verified('open', request.params, signer);
    await actions.record(batchId, n, 'opened', '');
    return reply.header('cache-control', 'no-store').type('image/gif').send(PIXEL);
  });
  app.get('/u/:token', open, async (request, reply) => {
    const { recipient } = await found(request.params, actions, signer);
    return page(reply, recipient.unsubscribed ? alreadyOut(recipient) : confirmation(recipient));
  });
  app.post('/u/:token', open, async (request, reply) => {
    const { token, recipient } = await found(request.params, actions, signer);
    if (!recipient.unsubscribed) await actions.unsubscribe(token.batchId, token.n, recipient);
    return page(reply, alreadyOut(recipient));
  });
}

function verified(purpose: LinkPurpose, params: unknown, signer: LinkSigner): LinkToken {
  const token = signer.verify(purpose, (params as { token: string }).token);
  if (!token) throw unknownLink();
  return token;
}

async function found(
  params: unknown,
  actions: LinkActions,
  signer: LinkSigner,
): Promise<{ token: LinkToken; recipient: LinkRecipient }> {
  const token = verified('unsubscribe', params, signer);
  const recipient = await actions.recipient(token.batchId, token.n);
  if (!recipient) throw unknownLink();
  return { token, recipient };
}

function unknownLink(): AppError {
  return new AppError('link_unknown', 404, 'This link is not one of ours, or it was changed on its way.', {
    fix: 'Open it from the message again; it must be complete.',
  });
}

function page(reply: FastifyReply, body: string) {
  return reply
    .header('cache-control', 'no-store')
    .header('x-robots-tag', 'noindex')
    .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Unsubscribe</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}button{font:inherit;padding:.5rem 1.2rem}</style>${body}</html>`,
    );
}

function confirmation({ address }: LinkRecipient): string {
  return `<h1>Unsubscribe?</h1><p>${escapeHtml(address)} will get no more messages of this sender.</p><form method="post"><input type="hidden" name="confirm" value="1"><button>Unsubscribe</button></form>`;
}

function alreadyOut({ address }: LinkRecipient): string {
  return `<h1>Unsubscribed</h1><p>${escapeHtml(address)} is unsubscribed and gets no more messages of this sender.</p>`;
}
