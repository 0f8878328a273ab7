import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ProviderKind } from '../../adapters/providers/kinds.ts';
import { AppError } from '../../domain/errors.ts';
import { accountOf } from '../plugins/authentication.ts';
import { ErrorReply, isoDates, Limits, PageQuery, ProviderReply, page } from '../schemas.ts';
import type { NewProvider, ProviderStore, ProviderSummary } from '../stores.ts';

const Params = z.object({ provider: z.string().describe('id or name of the provider') });
const NewProviderBody = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { message: 'letters, digits, ".", "_" and "-", at most 64' }),
  kind: z.string(),
  settings: z.record(z.string(), z.unknown()).default({}),
  limits: Limits.default({}),
});
const MOCK_MESSAGES = 100;

export function providerRoutes(
  app: FastifyInstance,
  deps: { providers: ProviderStore; kinds: Record<string, ProviderKind>; publicUrl: string | null },
): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const shown = ({ takesEvents, ...provider }: ProviderSummary) => ({
    ...isoDates(provider),
    eventsUrl: takesEvents ? `${deps.publicUrl ?? ''}/webhooks/${provider.id}` : null,
  });
  const { providers } = deps;
  routes.post(
    '/api/providers',
    {
      config: { access: 'protected' },
      schema: {
        body: NewProviderBody,
        response: { 201: ProviderReply, 400: ErrorReply, 409: ErrorReply, 422: ErrorReply },
      },
    },
    async (request, reply) => {
      const created = await providers.create(accountOf(request), checkSettings(request.body, deps.kinds));
      return reply.code(201).send(shown(created));
    },
  );
  routes.get(
    '/api/providers',
    {
      config: { access: 'protected' },
      schema: { querystring: PageQuery, response: { 200: page(ProviderReply) } },
    },
    async (request) => {
      const { cursor = null, limit } = request.query;
      const items = await providers.list(accountOf(request), { cursor, limit });
      return { items: items.map(shown), next: items.length === limit ? items.at(-1)!.id : null };
    },
  );
  routes.get(
    '/api/providers/:provider',
    {
      config: { access: 'protected' },
      schema: { params: Params, response: { 200: ProviderReply, 404: ErrorReply } },
    },
    async (request) => shown(await providers.find(accountOf(request), request.params.provider)),
  );
  routes.delete(
    '/api/providers/:provider',
    {
      config: { access: 'protected' },
      schema: { params: Params, response: { 204: z.null(), 404: ErrorReply, 409: ErrorReply } },
    },
    async (request, reply) => {
      const { id } = await providers.find(accountOf(request), request.params.provider);
      await providers.remove(accountOf(request), id);
      return reply.code(204).send(null);
    },
  );
  routes.post(
    '/api/providers/:provider/test',
    {
      config: { access: 'protected' },
      schema: {
        params: Params,
        response: { 200: z.object({ ok: z.literal(true), message: z.string() }), 422: ErrorReply },
      },
    },
    async (request) => {
      const { id } = await providers.find(accountOf(request), request.params.provider);
      const config = await providers.config(accountOf(request), id);
      const provider = deps.kinds[config.kind]!.create(config);
      try {
        return { ok: true as const, message: await provider.test() };
      } finally {
        await provider.close();
      }
    },
  );
  routes.post(
    '/api/providers/:provider/resume',
    { config: { access: 'protected' }, schema: { params: Params, response: { 200: ProviderReply } } },
    async (request) => {
      const { id } = await providers.find(accountOf(request), request.params.provider);
      return shown(await providers.resume(accountOf(request), id));
    },
  );
  routes.get(
    '/api/providers/:provider/messages',
    {
      config: { access: 'protected' },
      schema: {
        params: Params,
        description: 'The last messages a mock provider took, newest first',
        response: { 200: z.object({ items: z.array(z.unknown()) }) },
      },
    },
    async (request) => {
      const { id } = await providers.find(accountOf(request), request.params.provider);
      return { items: await providers.mockMessages(accountOf(request), id, MOCK_MESSAGES) };
    },
  );
}

/** Checks the settings against the kind's schema and parts off what must be encrypted. */
function checkSettings(
  body: z.infer<typeof NewProviderBody>,
  kinds: Record<string, ProviderKind>,
): NewProvider {
  const kind = Object.hasOwn(kinds, body.kind) ? kinds[body.kind]! : null;
  if (!kind) {
    throw new AppError('provider_kind_unknown', 422, `There is no kind of provider "${body.kind}".`, {
      field: 'kind',
      fix: `Use one of: ${Object.keys(kinds).join(', ')}.`,
    });
  }
  const parsed = kind.settings.safeParse(body.settings);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({
      field: `settings.${issue.path.join('.')}`.replace(/\.$/, ''),
      message: issue.message,
    }));
    throw new AppError(
      'provider_settings_invalid',
      422,
      `The settings of ${body.kind} are not valid: ${issues.map((i) => `${i.field}: ${i.message}`).join('; ')}.`,
      {
        field: issues[0]!.field,
        details: issues,
        fix: settingsHelp(body.kind, kind, issues),
      },
    );
  }
  const settings: Record<string, unknown> = {};
  const secrets: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parsed.data)) {
    if (value !== undefined) (kind.secrets.includes(name) ? secrets : settings)[name] = value;
  }
  return { name: body.name, kind: body.kind, limits: body.limits, settings, secrets };
}

/** What the settings at fault are for; all of them when one is not known. */
function settingsHelp(name: string, { settings }: ProviderKind, issues: { field: string }[]): string {
  const all = Object.entries(settings.shape as Record<string, z.ZodType>);
  const faulty = all.filter(([field]) => issues.some((issue) => issue.field === `settings.${field}`));
  const complete = faulty.length === new Set(issues.map(({ field }) => field)).size;
  return `Settings of ${name}: ${(complete ? faulty : all)
    .map(([field, schema]) => `${field} (${schema.description ?? ''})`)
    .join(', ')}.`;
}
