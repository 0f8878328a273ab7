/**
 * Reads what is provisioned for Grafana where Grafana reads it, as its user, in its place in the network, and asks each
 * panel's queries of the provisioned data source. No Grafana: it shows whether one would find files and data.
 */
const { readdirSync, readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');

const PROVISIONING = '/etc/grafana/provisioning';
const withVariables = (text) => text.replace(/\$(\w+)/g, (_, name) => process.env[name] ?? '');
const provisioned = (kind) => {
  const folder = join(PROVISIONING, kind);
  return readdirSync(folder).map((file) => withVariables(readFileSync(join(folder, file), 'utf8')));
};
const field = (text, name) => new RegExp(`^\\s*(?:- )?${name}: (\\S+)$`, 'm').exec(text)?.[1];

async function panels() {
  const [datasource] = provisioned('datasources');
  const [provider] = provisioned('dashboards');
  const folder = field(provider, 'path');
  const url = field(datasource, 'url');
  const found = [];
  for (const file of readdirSync(folder)) {
    const dashboard = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    for (const panel of dashboard.panels)
      for (const target of panel.targets ?? []) {
        const uid = target.datasource?.uid ?? panel.datasource?.uid;
        const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(target.expr)}`);
        const { data } = await answer.json();
        found.push({
          panel: `${dashboard.title} / ${panel.title}`,
          datasourceKnown: uid === undefined || uid === field(datasource, 'uid'),
          series: data?.result.length ?? 0,
        });
      }
  }
  return found;
}

createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status).end(JSON.stringify(body));
  if (request.url === '/api/health') return answer(200, { database: 'ok' });
  if (request.url !== '/panels') return answer(404, {});
  try {
    answer(200, await panels());
  } catch (error) {
    answer(500, { error: String(error.cause ?? error) });
  }
}).listen(3000, '0.0.0.0');
