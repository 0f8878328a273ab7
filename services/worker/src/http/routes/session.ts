import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { SESSION_COOKIE } from '../plugins/authentication.ts';
import { ErrorReply } from '../schemas.ts';
import type { AccountStore } from '../stores.ts';

const SESSION_SECONDS = 14 * 24 * 3600;
/** Wrong passwords per address and minute before logging in is refused for a while. */
const MAX_FAILURES = 10;
const FAILURE_WINDOW_MS = 60_000;

export function sessionRoutes(
  app: FastifyInstance,
  deps: { accounts: AccountStore; production: boolean },
): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const failures = new Map<string, { count: number; since: number }>();
  const cookie = {
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: deps.production,
    maxAge: SESSION_SECONDS,
  } as const;

  routes.post(
    '/api/session',
    {
      config: { access: 'public' },
      schema: {
        security: [],
        body: z.strictObject({ email: z.string().max(254), password: z.string().max(1024) }),
        response: { 200: z.object({ email: z.string() }), 401: ErrorReply, 429: ErrorReply },
      },
    },
    async (request, reply) => {
      refuseGuessing(failures, request.ip);
      const token = await deps.accounts.logIn(request.body.email, request.body.password);
      if (!token) {
        countFailure(failures, request.ip);
        throw new AppError('login_failed', 401, 'The e-mail address or the password is wrong.');
      }
      failures.delete(request.ip);
      return reply.setCookie(SESSION_COOKIE, token, cookie).send({ email: request.body.email });
    },
  );
  routes.get(
    '/api/session',
    {
      config: { access: 'protected' },
      schema: { response: { 200: z.object({ name: z.string(), by: z.string() }) } },
    },
    async (request) => ({ name: request.identity!.name, by: request.identity!.by }),
  );
  routes.delete(
    '/api/session',
    { config: { access: 'protected' }, schema: { response: { 204: z.null() } } },
    async (request, reply) => {
      const token = request.cookies[SESSION_COOKIE];
      if (token) await deps.accounts.logOut(token);
      return reply.clearCookie(SESSION_COOKIE, cookie).code(204).send(null);
    },
  );
}

function refuseGuessing(failures: Map<string, { count: number; since: number }>, ip: string): void {
  const entry = failures.get(ip);
  if (!entry || Date.now() - entry.since > FAILURE_WINDOW_MS || entry.count < MAX_FAILURES) return;
  throw new AppError('login_rate_limited', 429, 'Too many wrong passwords from this address.', {
    fix: 'Wait a minute.',
  });
}

function countFailure(failures: Map<string, { count: number; since: number }>, ip: string): void {
  const entry = failures.get(ip);
  const current =
    !entry || Date.now() - entry.since > FAILURE_WINDOW_MS ? { count: 0, since: Date.now() } : entry;
  if (failures.size > 10_000) failures.clear();
  failures.set(ip, { ...current, count: current.count + 1 });
}
