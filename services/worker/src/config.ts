import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';

export const ROLES = ['api', 'planner', 'sender', 'tracker'] as const;

const url = (protocols: string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    message: `must be a URL with ${protocols.join(' or ')}`,
  });

/** Everything the worker can be told, by environment variable. Also printed by `worker config --help`. */
const Environment = z.object({
  DATABASE_URL: url(['postgres:', 'postgresql:']).describe('PostgreSQL; the only engine that is required'),
  CLICKHOUSE_URL: url(['http:', 'https:'])
    .optional()
    .describe('ClickHouse HTTP; without it analytics is off'),
  NATS_URL: url(['nats:', 'tls:']).optional().describe('NATS with JetStream'),
  NATS_REPLICAS: z.coerce
    .number()
    .int()
    .min(1)
    .max(5)
    .default(1)
    .describe('replicas of the JetStream stream'),
  REDIS_URL: url(['redis:', 'rediss:']).optional().describe('Dragonfly, Valkey or Redis'),
  HOST: z.string().default('127.0.0.1').describe('address to listen on'),
  PORT: z.coerce.number().int().min(0).max(65535).default(6001).describe('port of the API'),
  ROLES: z
    .string()
    .default(ROLES.join(','))
    .transform((value) => value.split(',').map((role) => role.trim()))
    .pipe(z.array(z.enum(ROLES)).min(1))
    .describe('api,planner,sender,tracker: what this process does'),
  NODE_ENV: z
    .enum(['development', 'production', 'test'])
    .default('development')
    .describe('production refuses development credentials'),
  SECRET_KEY: z
    .string()
    .regex(/^[0-9a-f]{64}$/, { message: 'must be 64 hexadecimal digits (openssl rand -hex 32)' })
    .optional()
    .describe('key that encrypts provider secrets; required in production'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('log level'),
  STACK_ID: z.string().default('').describe('identity of the stack, echoed by /health'),
  LEASE_MS: z.coerce.number().int().min(2000).default(30_000).describe('lease of a chunk, milliseconds'),
  RETRY_BASE_MS: z.coerce
    .number()
    .int()
    .min(10)
    .default(30_000)
    .describe('wait before the second attempt, milliseconds; it grows from there'),
  PUBLIC_URL: url(['http:', 'https:'])
    .optional()
    .describe('where recipients reach this worker; needed for tracking and unsubscribe links'),
  PREFLIGHT_ABOVE: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe('batches with more recipients must pass a preflight before they are sent'),
  DNS_SERVERS: z
    .string()
    .transform((value) => value.split(',').map((server) => server.trim()))
    .optional()
    .describe('name servers for checks of sender domains, comma separated; the system’s when absent'),
  METRICS_LISTEN: z
    .string()
    .regex(/^[^\s]+:\d{1,5}$/, { message: 'must be HOST:PORT' })
    .optional()
    .describe('HOST:PORT where the metrics, and nothing else, are served besides the API'),
  TRUST_PROXY: z.stringbool().default(false).describe('believe X-Forwarded-* headers'),
});

export type Config = z.infer<typeof Environment> & { workerId: string };

/** The environment has a variable that cannot be used; the message names each one. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly code = 'config_invalid';
}

const DEVELOPMENT_SECRET_KEY = '00'.repeat(32);

/**
 * Parses the environment, once, at the edge.
 * @throws ConfigError naming every wrong variable
 */
export function readConfig(env: NodeJS.ProcessEnv): Config & { SECRET_KEY: string } {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`The environment is not usable. ${lines.join('; ')}`);
  }
  const config = parsed.data;
  if (config.NODE_ENV === 'production' && !config.SECRET_KEY) {
    throw new ConfigError('SECRET_KEY: required in production. Make one with: openssl rand -hex 32');
  }
  if (config.NODE_ENV === 'production' && config.PUBLIC_URL?.startsWith('http:')) {
    throw new ConfigError(
      'PUBLIC_URL: must be https in production; mail programs require it for one-click unsubscribe',
    );
  }
  const workerId = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  return { ...config, SECRET_KEY: config.SECRET_KEY ?? DEVELOPMENT_SECRET_KEY, workerId };
}

/** The manual of the environment, one line a variable. */
export function describeEnvironment(): { name: string; description: string; default: unknown }[] {
  return Object.entries(Environment.shape).map(([name, schema]) => ({
    name,
    description: schema.description ?? '',
    default: Environment.shape && defaultOf(schema),
  }));
}

function defaultOf(schema: z.ZodType): unknown {
  const result = schema.safeParse(undefined);
  return result.success ? (result.data ?? null) : null;
}
