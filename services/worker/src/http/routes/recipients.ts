import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { parseColumnMap } from '../../domain/recipients/column-map.ts';
import { encodingOf } from '../../domain/recipients/encoding.ts';
import { RECIPIENT_FORMATS, type RecipientFormat } from '../../domain/recipients/reader.ts';
import type { AppDeps } from '../app.ts';
import { accountOf } from '../plugins/authentication.ts';
import { ErrorReply, IdParams, ImportReply } from '../schemas.ts';
import { DUPLICATE_POLICIES, type ImportOptions } from '../stores.ts';

/** Content types and what they say about the format; anything else is detected by content. */
const FORMAT_OF_TYPE: Record<string, RecipientFormat> = {
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
};

const UploadQuery = z.object({
  format: z.enum(RECIPIENT_FORMATS).optional().describe('detected when absent'),
  encoding: z
    .string()
    .optional()
    .describe('utf-8, utf-16le, utf-16be, windows-1252 or macintosh; detected when absent'),
  delimiter: z.string().length(1).optional().describe('detected when absent'),
  country: z.string().length(2).optional().describe('ISO country of national phone numbers'),
  address: z.string().optional().describe('header of the address column when its name does not say so'),
  json: z.string().optional().describe('columns that hold JSON, comma separated'),
  map: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('VARIABLE=COLUMN, may be repeated: the name of a column’s variable; address=COLUMN as well'),
  consent: z
    .string()
    .optional()
    .describe('column that says whether a recipient agreed; who did not is rejected'),
  duplicates: z
    .enum(DUPLICATE_POLICIES)
    .default('first')
    .describe('which of several rows with one address counts'),
});

/** In a scope of its own: here bodies are streams, not parsed and not limited. */
export function recipientRoutes(app: FastifyInstance, deps: AppDeps): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  const routes = app.withTypeProvider<ZodTypeProvider>();
  routes.post(
    '/api/batches/:id/recipients',
    {
      config: { access: 'protected' },
      schema: {
        description:
          'Streams CSV (any dialect), NDJSON or a JSON array of any size, also gzip. All or nothing, and safe to repeat: the same file adds nobody twice.',
        params: IdParams,
        querystring: UploadQuery,
        response: { 200: ImportReply, 404: ErrorReply, 409: ErrorReply, 422: ErrorReply },
      },
    },
    async (request) => {
      const accountId = accountOf(request);
      const { channel } = await deps.batches.get(accountId, request.params.id);
      const body = request.body instanceof Readable ? request.body : request.raw;
      return deps.imports.import(accountId, request.params.id, body as AsyncIterable<Uint8Array>, {
        channel,
        ...uploadOptions(request.query, request.headers['content-type']),
      });
    },
  );
  routes.get(
    '/api/batches/:id/imports/:import/rejects',
    {
      config: { access: 'protected' },
      schema: {
        description: 'Rejected rows as CSV: row, column, reason, text',
        params: IdParams.extend({ import: z.string() }),
      },
    },
    async (request, reply) => {
      const rejects = deps.imports
        .rejects(accountOf(request), request.params.id, request.params.import)
        [Symbol.asyncIterator]();
      const first = await rejects.next();
      reply
        .header('content-disposition', 'attachment; filename="rejected.csv"')
        .type('text/csv; charset=utf-8');
      return reply.send(Readable.from(csvLines(first, rejects)));
    },
  );
}

function uploadOptions(
  query: z.infer<typeof UploadQuery>,
  contentType: string | undefined,
): Omit<ImportOptions, 'channel'> {
  const type = contentType?.replace(/;.*$/s, '').trim().toLowerCase();
  const encoding = query.encoding === undefined ? undefined : encodingOf(query.encoding);
  if (encoding === null) {
    throw new AppError('encoding_unknown', 400, `The encoding "${query.encoding}" is not known.`, {
      field: 'encoding',
      fix: 'Use utf-8, utf-16le, utf-16be, windows-1252 or macintosh, or leave it out to have it detected.',
    });
  }
  return {
    format: query.format ?? (type ? FORMAT_OF_TYPE[type] : undefined),
    encoding,
    delimiter: query.delimiter,
    defaultCountry: query.country,
    ...(query.address === undefined ? {} : { addressColumn: query.address }),
    ...parseColumnMap([query.map ?? []].flat()),
    consentColumn: query.consent,
    duplicates: query.duplicates,
    jsonColumns: query.json?.split(','),
  };
}

type Rejects = AsyncIterator<{ row: number; column: string | null; reason: string; text: string }>;

async function* csvLines(first: Awaited<ReturnType<Rejects['next']>>, rest: Rejects): AsyncGenerator<string> {
  yield 'row,column,reason,text\r\n';
  for (let next = first; !next.done; next = await rest.next()) {
    const { row, column, reason, text } = next.value;
    yield `${row},${quote(column ?? '')},${reason},${quote(text)}\r\n`;
  }
}

function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
