import { escapeHtml } from '../domain/template/html-escape.ts';

interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  description?: string;
  anyOf?: Schema[];
  format?: string;
}
interface Operation {
  description?: string;
  security?: unknown[];
  parameters?: { name: string; in: string; required?: boolean; schema: Schema; description?: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses?: Record<string, { description?: string; content?: Record<string, { schema: Schema }> }>;
}
interface OpenApi {
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
}

/** The API as one page that needs no script and no network. */
export function docsPage(api: OpenApi): string {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationSection(method, path, operation)),
  );
  const toc = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) =>
        `<li><a href="#${anchor(method, path)}"><b>${method.toUpperCase()}</b> ${escapeHtml(path)}</a></li>`,
    ),
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(api.info.title)} API</title><style>${STYLE}</style>
<main><h1>${escapeHtml(api.info.title)} API <small>${escapeHtml(api.info.version)}</small></h1>
<p>${escapeHtml(api.info.description ?? '')} Machine-readable: <a href="/api/openapi.json">openapi.json</a>.</p>
<p>Send the API key as <code>Authorization: Bearer KEY</code>. Errors are <code>{"error": {"code", "message", "fix", "field"}}</code>; codes are stable.</p>
<ul class="toc">${toc.join('')}</ul>${operations.join('')}</main></html>`;
}

function operationSection(method: string, path: string, operation: Operation): string {
  const open = operation.security?.length === 0;
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const ok = Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith('2'));
  const reply = ok && Object.values(ok[1].content ?? {})[0]?.schema;
  return `<section id="${anchor(method, path)}"><h2><b class="${method}">${method.toUpperCase()}</b> <code>${escapeHtml(path)}</code>${open ? ' <i>public</i>' : ''}</h2>
<p>${escapeHtml(operation.description ?? '')}</p>
${table(
  'Parameters',
  (operation.parameters ?? []).map((p) => [
    p.name,
    typeOf(p.schema),
    p.required ? 'required' : defaultOf(p.schema),
    p.description ?? p.schema.description ?? '',
  ]),
)}
${body ? table('Body', fields(body)) : ''}${reply ? table(`Reply ${ok[0]}`, fields(reply)) : ''}</section>`;
}

function fields(schema: Schema, prefix = '', depth = 0): string[][] {
  const object = schema.anyOf?.find((one) => one.properties) ?? schema;
  const inner = object.properties ? object : object.items;
  return Object.entries(inner?.properties ?? {}).flatMap(([name, field]) => {
    const row = [
      prefix + name,
      typeOf(field),
      object.required?.includes(name) ? 'required' : defaultOf(field),
      field.description ?? '',
    ];
    const nested = field.items?.properties ? field.items : field;
    return depth < 2 && nested.properties
      ? [row, ...fields(nested, `${prefix}${name}${nested === field ? '.' : '[].'}`, depth + 1)]
      : [row];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' | ');
  if (schema.type === 'array') return `${typeOf(schema.items ?? {})}[]`;
  const type = Array.isArray(schema.type) ? schema.type.join(' | ') : (schema.type ?? 'any');
  return schema.format ? `${type} (${schema.format})` : type;
}

function defaultOf(schema: Schema): string {
  return schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`;
}

function table(title: string, rows: string[][]): string {
  if (rows.length === 0) return '';
  const body = rows.map(
    (cells) =>
      `<tr>${cells.map((cell, i) => `<td>${i === 0 ? `<code>${escapeHtml(cell)}</code>` : escapeHtml(cell)}</td>`).join('')}</tr>`,
  );
  return `<h3>${escapeHtml(title)}</h3><table>${body.join('')}</table>`;
}

function anchor(method: string, path: string): string {
  return `${method}-${path.replace(/[^a-z0-9]+/gi, '-')}`;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1c2330;background:#fff}main{max-width:60rem;margin:0 auto;padding:1rem}
h2{border-top:1px solid #d8dde6;padding-top:1.5rem;font-size:1.1rem}h3{margin:.5rem 0 .2rem;font-size:.9rem;color:#5a6577}
b.get{color:#0b6bcb}b.post{color:#1a7f37}b.delete{color:#b42318}table{border-collapse:collapse;width:100%;font-size:.9rem}
td{border-top:1px solid #eceff4;padding:.25rem .5rem;vertical-align:top;overflow-wrap:anywhere}code{font-family:ui-monospace,monospace}
.toc{columns:2;list-style:none;padding:0;font-size:.9rem}i{color:#5a6577;font-size:.8rem}
@media(max-width:40rem){.toc{columns:1}}@media(prefers-color-scheme:dark){body{background:#12161d;color:#e3e8f0}h2,td{border-color:#2a3140}a{color:#7cb8ff}}`;
