import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import type { AccountStore, Identity } from '../stores.ts';

/** Who may call a route. Every route says it itself; there is no default and no list of paths. */
export type Access = 'public' | 'protected';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    identity: Identity | null;
  }
}

export const SESSION_COOKIE = 'batchsender_session';

/**
 * Refuses protected routes without an API key or session, and answers unknown paths with 401 as well, so that
 * nothing can be learned without a key. Registering a route without `config.access` is an error.
 */
export function authentication(app: FastifyInstance, accounts: AccountStore): void {
  app.decorateRequest('identity', null);
  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined)
      throw new Error(`${route.method} ${route.url} does not say whether it is public or protected`);
  });
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.access === 'public') return;
    request.identity = await identify(request, accounts);
    if (!request.identity) throw unauthorized(request);
  });
  app.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
    reply.code(404).send({
      error: {
        code: 'route_not_found',
        message: `There is no ${request.method} ${request.url.split('?')[0]}.`,
        fix: 'See /api/docs.',
      },
    });
  });
}

/** The account of the caller; protected routes have one. */
export function accountOf(request: FastifyRequest): string {
  if (!request.identity) throw unauthorized(request);
  return request.identity.accountId;
}

async function identify(request: FastifyRequest, accounts: AccountStore): Promise<Identity | null> {
  const bearer = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer) return accounts.byKey(bearer);
  const key = request.headers['x-api-key'];
  if (typeof key === 'string' && key.length <= 512) return accounts.byKey(key);
  const token = request.cookies[SESSION_COOKIE];
  return token ? accounts.bySession(token) : null;
}

function unauthorized(request: FastifyRequest): AppError {
  const given = request.headers.authorization !== undefined || request.headers['x-api-key'] !== undefined;
  return new AppError(
    'unauthorized',
    401,
    given ? 'The API key is not valid.' : 'An API key or a session is required.',
    {
      fix: given
        ? 'Check the key; it may have been revoked.'
        : 'Send "Authorization: Bearer <API key>", or log in.',
    },
  );
}
