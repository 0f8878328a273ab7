/** Which folder may import which; see ARCHITECTURE.md. */
const to = (path) => ({ path });
const worker = (folder) => `^services/worker/src/${folder}`;

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'programs-share-data-not-code',
      severity: 'error',
      from: { path: '^(cli|services/worker|services/web)/' },
      to: { path: '^(cli|services/worker|services/web)/', pathNot: '^$1/' },
    },
    {
      name: 'domain-is-pure',
      severity: 'error',
      from: to(worker('domain/')),
      to: { path: '^services/worker/src/(pipeline|adapters|http|main|serve|lifecycle|config)' },
    },
    {
      name: 'pipeline-knows-ports-only',
      severity: 'error',
      from: to(worker('pipeline/')),
      to: { path: '^services/worker/src/(adapters|http)' },
    },
    {
      name: 'metrics-know-ports-only',
      severity: 'error',
      from: to(worker('metrics/')),
      to: { path: '^services/worker/src/(adapters|http)' },
    },
    {
      name: 'dockerode-only-in-the-docker-runtime',
      severity: 'error',
      from: { path: '^cli/src/', pathNot: '^cli/src/runtimes/docker/' },
      to: { path: 'node_modules/dockerode' },
    },
    {
      name: 'adapters-do-not-know-each-other',
      severity: 'error',
      from: { path: '^services/worker/src/adapters/([^/]+)/' },
      to: { path: '^services/worker/src/adapters/', pathNot: '^services/worker/src/adapters/$1/' },
    },
    {
      name: 'http-does-not-import-adapters',
      severity: 'error',
      from: to(worker('http/')),
      to: { path: '^services/worker/src/adapters/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'fastify-only-in-http',
      severity: 'error',
      from: { path: '^services/worker/src/', pathNot: '^services/worker/src/http/' },
      to: { path: 'node_modules/(fastify|@fastify)' },
    },
    {
      name: 'pg-only-in-postgres',
      severity: 'error',
      from: { path: '^services/worker/src/', pathNot: '^services/worker/src/adapters/postgres/' },
      to: { path: 'node_modules/pg' },
    },
    {
      name: 'undici-only-in-webhook',
      severity: 'error',
      from: { path: '^services/worker/src/', pathNot: '^services/worker/src/adapters/providers/webhook/' },
      to: { path: 'node_modules/undici' },
    },
    {
      name: 'nodemailer-only-in-smtp',
      severity: 'error',
      from: { path: '^services/worker/src/', pathNot: '^services/worker/src/adapters/providers/smtp/' },
      to: { path: 'node_modules/nodemailer' },
    },
    {
      name: 'cli-output-knows-results-only',
      severity: 'error',
      from: to('^cli/src/output/'),
      to: { path: '^cli/src/(commands|components|runtimes)/' },
    },
    {
      name: 'cli-components-below-commands',
      severity: 'error',
      from: to('^cli/src/(components|stack)/'),
      to: { path: '^cli/src/(commands|output|doctor)/' },
    },
    {
      name: 'cli-doctor-below-commands',
      severity: 'error',
      from: to('^cli/src/doctor/'),
      to: { path: '^cli/src/(commands|output)/' },
    },
    {
      name: 'web-only-api-fetches',
      severity: 'error',
      from: to('^services/web/src/components/'),
      to: { path: '^services/web/src/pages/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
