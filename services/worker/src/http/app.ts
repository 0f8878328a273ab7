import cookie from '@fastify/cookie';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { ProviderKind } from '../adapters/providers/kinds.ts';
import type { Dependencies } from '../dependencies.ts';
import type { PublicLinks } from '../domain/links/token.ts';
import type { DnsLookup } from '../domain/sender-domain.ts';
import type { EventIntake } from '../pipeline/event-tracker.ts';
import type { EventMetrics } from '../pipeline/metrics.ts';
import type { BatchCreation, BatchStore } from './batch-stores.ts';
import { authentication } from './plugins/authentication.ts';
import { BODY_LIMIT_MIB, errorHandling } from './plugins/errors.ts';
import { analyticsRoutes } from './routes/analytics.ts';
import { batchCreationRoute } from './routes/batch-creation.ts';
import { batchRoutes } from './routes/batches.ts';
import { docsRoutes } from './routes/docs.ts';
import { explanationRoutes } from './routes/explanations.ts';
import { healthRoutes } from './routes/health.ts';
import { type LinkDeps, linkRoutes } from './routes/links.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { preflightRoutes } from './routes/preflight.ts';
import { providerRoutes } from './routes/providers.ts';
import { recipientRoutes } from './routes/recipients.ts';
import { sessionRoutes } from './routes/session.ts';
import { type ProviderPages, webhookRoutes } from './routes/webhooks.ts';
import type { AccountStore, EventStore, ImportStore, ProviderStore, SeenEvents } from './stores.ts';

export interface AppDeps {
  accounts: AccountStore;
  batches: BatchStore;
  creation: BatchCreation;
  providers: ProviderStore;
  imports: ImportStore;
  intake: EventIntake;
  seen: SeenEvents;
  pages: ProviderPages;
  publicUrl: string | null;
  /** Null when ClickHouse is not configured. */
  events: EventStore | null;
  kinds: Record<string, ProviderKind>;
  eventMetrics: EventMetrics;
  dependencies: Dependencies;
  metrics(): Promise<{ contentType: string; text: string }>;
  observe(route: string, method: string, status: number, seconds: number): void;
  /** What limits a lane in this process now. */
  limitOf(providerId: string): string | null;
  log: Logger;
  version: string;
  stackId: string;
  /** Null without PUBLIC_URL. */
  links: PublicLinks | null;
  linkRoutes: LinkDeps;
  dns: DnsLookup;
  /** Batches with more recipients must pass a preflight. */
  preflightAbove: number | undefined;
  trustProxy: boolean;
  production: boolean;
}

/** The whole HTTP interface, ready to listen or to be tested with `inject`. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    loggerInstance: deps.log as FastifyBaseLogger,
    logController: new Fastify.LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_MIB * 1024 * 1024,
    trustProxy: deps.trustProxy,
    genReqId: () => crypto.randomUUID(),
    // One way to write a path: no second spelling can reach a route past its declaration.
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'BatchSender',
        version: deps.version,
        description: 'Create batches, stream recipients in, follow delivery.',
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'API key' } } },
      security: [{ key: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  await app.register(cookie);
  errorHandling(app);
  authentication(app, deps.accounts);
  app.addHook('onResponse', async (request, reply) => {
    deps.observe(
      request.routeOptions.url ?? 'unmatched',
      request.method,
      reply.statusCode,
      reply.elapsedTime / 1000,
    );
  });
  healthRoutes(app, deps);
  metricsRoutes(app, deps);
  sessionRoutes(app, deps);
  providerRoutes(app, deps);
  batchCreationRoute(app, deps);
  batchRoutes(app, deps);
  preflightRoutes(app, deps);
  await app.register(async (scope) => recipientRoutes(scope, deps));
  explanationRoutes(app, deps);
  analyticsRoutes(app, deps);
  await app.register(async (scope) => webhookRoutes(scope, deps));
  await app.register(async (scope) => linkRoutes(scope, deps.linkRoutes));
  docsRoutes(app);
  return app;
}
