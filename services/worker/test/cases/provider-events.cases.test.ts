import { readFileSync } from 'node:fs';
import { EVENT_FORMATS, type EventFormatName } from '../../src/domain/events/formats.ts';
import type { EventCredentials, Reception } from '../../src/domain/events/reception.ts';
import { isDead, type ReceivedEvent, rankOf, stateOf, strongest } from '../../src/domain/provider-event.ts';
import { signWebhook, verifyWebhook } from '../../src/domain/webhook-signature.ts';
import { CASES, testCases } from './case-files.ts';

interface CaseRequest {
  url: string;
  headers: Record<string, string>;
  body_file: string;
}
interface Config {
  secrets?: string[][];
  certificates?: Record<string, string>;
  topic_arns?: string[];
  public_key?: string;
  public_keys?: string[];
  auth_token?: string;
  public_url?: string;
  basic_auth?: { user: string; password: string };
}
interface Input {
  provider?: EventFormatName | 'standard_webhooks';
  now?: number;
  config?: Config;
  request?: CaseRequest;
  requests?: CaseRequest[];
  sign?: { secrets: string[][]; id: string; timestamp: number; body_file: string };
  events?: { event_id: string; type: ReceivedEvent['type']; permanent: boolean | null }[];
}

const fileOf = (name: string) => readFileSync(`${CASES}/provider-events/${name}`);

function credentialsOf(config: Config): EventCredentials {
  const url = config.public_url ? new URL(config.public_url) : null;
  return {
    secrets: [
      ...(config.secrets ?? []).map((parts) => parts.join('')),
      ...(config.auth_token ? [config.auth_token] : []),
      ...(config.basic_auth ? [`${config.basic_auth.user}:${config.basic_auth.password}`] : []),
    ],
    publicKeys: [...(config.public_keys ?? []), ...(config.public_key ? [config.public_key] : [])],
    topics: config.topic_arns ?? [],
    publicUrl: url?.origin ?? null,
  };
}

function requestOf({ url, headers, body_file }: CaseRequest) {
  const lowerCase = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return {
    // As it stands in the request line.
    path: url.replace(/^https?:\/\/[^/]+/, ''),
    headers: lowerCase,
    body: fileOf(body_file),
  };
}

async function read(input: Input, request: CaseRequest, seen: Set<string>) {
  const now = new Date(input.now! * 1000);
  const config = input.config ?? {};
  if (input.provider === 'standard_webhooks') return standard(config, request, input.now!);
  const surroundings = {
    now,
    certificate: async (url: string) => fileOf(config.certificates![url]!).toString(),
  };
  const format = EVENT_FORMATS[input.provider!];
  return shown(await format(requestOf(request), credentialsOf(config), surroundings), seen);
}

function standard(config: Config, request: CaseRequest, now: number) {
  const { headers, body } = requestOf(request);
  const verdict = verifyWebhook(
    credentialsOf(config).secrets,
    {
      id: headers['webhook-id'],
      timestamp: headers['webhook-timestamp'],
      signature: headers['webhook-signature'],
      body,
    },
    now,
  );
  return verdict === 'ok'
    ? { outcome: 'accepted', http_status_class: '2xx' }
    : { outcome: 'rejected', reason: verdict, http_status_class: '4xx', events: [] };
}

/** With the status that the route answers, and what was seen before taken out, as it does. */
function shown(reception: Reception, seen: Set<string>) {
  const http_status_class = reception.outcome === 'rejected' ? '4xx' : '2xx';
  if (reception.outcome !== 'accepted') return { ...reception, http_status_class, events: [] };
  const fresh = reception.events.filter(({ eventId }) => eventId === null || !seen.has(eventId));
  for (const { eventId } of reception.events) if (eventId !== null) seen.add(eventId);
  if (fresh.length === 0) return { outcome: 'duplicate', reason: 'replay', http_status_class, events: [] };
  const events = fresh.map((event) => ({ ...event, timestamp: event.timestamp.toISOString() }));
  return { ...reception, http_status_class, events };
}

function sign({ secrets, id, timestamp, body_file }: NonNullable<Input['sign']>) {
  const signatures = secrets.map((parts) =>
    signWebhook(parts.join(''), id, String(timestamp), fileOf(body_file)),
  );
  return {
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatures.join(' '),
    },
  };
}

/** What becomes of one message by its events in the order in which they come, each once. */
function fold(events: NonNullable<Input['events']>) {
  const once = [...new Map(events.map((event) => [event.event_id, event])).values()];
  let last = { type: 'sent' as ReceivedEvent['type'], permanent: false };
  for (const { type, permanent } of once)
    [last] = strongest([last, { type, permanent: permanent === true }], () => 0) as [typeof last];
  const count = (type: string) => once.filter((event) => event.type === type).length;
  return {
    status: rankOf(last) > 0 ? stateOf(last) : 'sent',
    suppressed: once.some(isDead),
    opened: count('opened'),
    clicked: count('clicked'),
  };
}

testCases<Input, unknown>('provider-events', async (input) => {
  if (input.sign) return sign(input.sign);
  if (input.events) return fold(input.events);
  const seen = new Set<string>();
  if (input.request) return read(input, input.request, seen);
  const responses = [];
  for (const request of input.requests!) responses.push(await read(input, request, seen));
  return { responses };
});
