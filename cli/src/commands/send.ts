import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { Readable } from 'node:stream';
import type { Batch, Import, Preflight, WorkerApi } from '../api/worker-api.ts';
import { CliError, EXIT } from '../cli-error.ts';
import type { Output } from '../output/output.ts';
import { type ApiFlags, workerApi } from './api-context.ts';
import { followBatch } from './follow.ts';
import { pairs } from './pairs.ts';
import { preflightLines } from './preflight-text.ts';

export interface SendFlags extends ApiFlags {
  from?: string;
  replyTo?: string;
  subject?: string;
  html?: string;
  text?: string;
  provider?: string;
  name?: string;
  channel: 'email' | 'sms';
  at?: string;
  watch?: boolean;
  format?: string;
  encoding?: string;
  delimiter?: string;
  defaultCountry?: string;
  map?: string[];
  consent?: string;
  duplicates?: string;
  mjml?: string;
  header?: string[];
  attach?: string[];
  default?: string[];
  unsubscribe?: boolean;
  trackClicks?: boolean;
  trackOpens?: boolean;
  dryRun?: boolean;
}

export interface SendResult {
  batch: Batch;
  import: Import;
  /** With --dry-run: what would have been sent. */
  preflight?: Preflight;
  exitCode: number;
}

/** Creates a batch, streams the file into it, sends it and follows it to its end. */
export async function send(
  file: string,
  flags: SendFlags,
  output: Output,
  signal: AbortSignal,
): Promise<SendResult> {
  const template = {
    subject: flags.subject,
    html: content('--html', flags.html),
    mjml: content('--mjml', flags.mjml),
    text: content('--text', flags.text),
    headers: flags.header && pairs('--header', flags.header),
  };
  if (template.html === undefined && template.mjml === undefined && template.text === undefined) {
    throw new CliError('content_missing', EXIT.usage, 'There is nothing to send.', {
      fix: 'Give --html FILE, --mjml FILE or --text FILE.',
    });
  }
  if (file !== '-' && !existsSync(file))
    throw new CliError('file_not_found', EXIT.notFound, `There is no file ${file}.`);
  const api = workerApi(flags);
  const created = await api.post<Batch>('/api/batches', {
    name: flags.name ?? `${basename(file)} ${new Date().toISOString().slice(0, 16).replace('T', ' ')}`,
    channel: flags.channel,
    from: flags.from,
    replyTo: flags.replyTo,
    provider: flags.provider,
    template,
    scheduledAt: flags.at,
    attachments: flags.attach?.map(attachment),
    defaults: flags.default && pairs('--default', flags.default),
    unsubscribe: flags.unsubscribe,
    ...(flags.trackClicks || flags.trackOpens
      ? { tracking: { clicks: flags.trackClicks === true, opens: flags.trackOpens === true } }
      : {}),
  });
  const imported = await upload(api, created.id, file, flags);
  reportImport(imported, created.id, output);
  if (flags.dryRun) return dryRun(api, created, imported, output);
  const started = await api.post<Batch>(`/api/batches/${created.id}/send`);
  output.event(
    { type: 'batch', batch: started },
    `batch ${created.id}: ${started.total} messages through ${started.provider.name}`,
  );
  if (flags.watch === false || started.state === 'scheduled')
    return { batch: started, import: imported, exitCode: EXIT.ok };
  const batch = await followBatch(api, created.id, output, signal);
  const { failed, bounced, uncertain, cancelled } = batch.counts;
  return {
    batch,
    import: imported,
    exitCode:
      failed + bounced + uncertain + cancelled > 0 || imported.rejected > 0 ? EXIT.messagesFailed : EXIT.ok,
  };
}

/** What would be sent, without sending; the draft is removed again. */
async function dryRun(api: WorkerApi, batch: Batch, imported: Import, output: Output): Promise<SendResult> {
  try {
    const preflight = await api.post<Preflight>(`/api/batches/${batch.id}/preflight`);
    if (!output.json) for (const line of preflightLines(preflight)) output.event({}, line);
    return { batch, import: imported, preflight, exitCode: preflight.ok ? EXIT.ok : EXIT.messagesFailed };
  } finally {
    await api.delete(`/api/batches/${batch.id}`).catch(() => {});
  }
}

const CONTENT_TYPES: Record<string, string> = {
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.svg': 'image/svg+xml',
  '.csv': 'text/csv',
  '.txt': 'text/plain',
  '.ics': 'text/calendar',
  '.html': 'text/html',
  '.json': 'application/json',
  '.zip': 'application/zip',
};

function attachment(file: string) {
  if (!existsSync(file))
    throw new CliError('file_not_found', EXIT.notFound, `--attach: there is no file ${file}.`);
  return {
    filename: basename(file),
    contentType: CONTENT_TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream',
    content: readFileSync(file).toString('base64'),
  };
}

/** A file's content, or the value itself when it is no file name. */
function content(flag: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (existsSync(value)) return readFileSync(value, 'utf8');
  if (/[\s<{]/.test(value)) return value;
  throw new CliError('file_not_found', EXIT.notFound, `${flag}: there is no file ${value}.`);
}

async function upload(api: WorkerApi, id: string, file: string, flags: SendFlags): Promise<Import> {
  const query = new URLSearchParams();
  const options = {
    format: flags.format,
    encoding: flags.encoding,
    delimiter: flags.delimiter === '\\t' ? '\t' : flags.delimiter,
    country: flags.defaultCountry,
    consent: flags.consent,
    duplicates: flags.duplicates,
  };
  for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, value);
  for (const entry of flags.map ?? []) query.append('map', entry);
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 });
  try {
    return await api.upload<Import>(
      `/api/batches/${id}/recipients?${query}`,
      Readable.toWeb(stream) as ReadableStream<Uint8Array>,
    );
  } catch (error) {
    // The draft has no recipients and would only be in the way.
    await api.post(`/api/batches/${id}/cancel`).catch(() => {});
    throw error;
  }
}

const SHOWN_REJECTS = 5;

function reportImport(imported: Import, id: string, output: Output): void {
  output.event(
    { type: 'import', import: imported },
    `${imported.accepted} recipients accepted, ${imported.rejected} rejected${imported.suppressed ? `, ${imported.suppressed} suppressed` : ''}`,
  );
  if (output.json) return;
  for (const row of imported.firstRejected.slice(0, SHOWN_REJECTS))
    output.event({}, `  row ${row.row}${row.column ? `, ${row.column}` : ''}: ${row.text}`);
  if (imported.rejected > SHOWN_REJECTS)
    output.event(
      {},
      `  … and ${imported.rejected - SHOWN_REJECTS} more: GET /api/batches/${id}/imports/${imported.id}/rejects`,
    );
}
