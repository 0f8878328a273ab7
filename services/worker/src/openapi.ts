import { pino } from 'pino';
import { providerKinds } from './adapters/providers/kinds.ts';
import { Dependencies } from './dependencies.ts';
import { buildApp } from './http/app.ts';
import { VERSION } from './version.ts';

/** The document as the API serves it, made without any engine: routes are registered, none is called. */
export async function openApiDocument(): Promise<object> {
  const unused = new Proxy({}, { get: () => () => Promise.reject(new Error('not available here')) }) as never;
  const app = await buildApp({
    accounts: unused,
    batches: unused,
    creation: unused,
    providers: unused,
    imports: unused,
    intake: unused,
    seen: unused,
    pages: unused,
    publicUrl: null,
    eventMetrics: unused,
    events: null,
    kinds: providerKinds(unused),
    dependencies: new Dependencies({}),
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
    observe: () => {},
    limitOf: () => null,
    log: pino({ level: 'silent' }),
    version: VERSION,
    stackId: '',
    links: null,
    linkRoutes: unused,
    dns: unused,
    preflightAbove: undefined,
    trustProxy: false,
    production: false,
  });
  await app.ready();
  return app.swagger();
}
