// The dashboards as code: `npm run dashboards` writes dashboards/*.json, which Grafana's provisioning reads.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import common from '@grafana/grafana-foundation-sdk/common';
import dashboards from '@grafana/grafana-foundation-sdk/dashboard';
import prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import stat from '@grafana/grafana-foundation-sdk/stat';
import timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { DASHBOARDS } from './panels.mjs';

const DATASOURCE = { type: 'prometheus', uid: 'prometheus' };
const FOLDER = join(import.meta.dirname, 'dashboards');
const GRID = 24;
const STAT_HEIGHT = 4;
const PANEL_HEIGHT = 8;

function dashboard({ uid, title, stats, rows }) {
  const builder = new dashboards.DashboardBuilder(title)
    .uid(uid)
    .tags(['batchsender'])
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .readonly();
  const width = Math.floor(GRID / stats.length);
  stats.forEach(([name, unit, expr], i) => {
    builder.withPanel(
      new stat.PanelBuilder()
        .title(name)
        .unit(unit)
        .datasource(DATASOURCE)
        .gridPos({ x: i * width, y: 0, w: width, h: STAT_HEIGHT })
        .withTarget(new prometheus.DataqueryBuilder().refId('A').expr(expr).instant()),
    );
  });
  let y = STAT_HEIGHT;
  for (const [name, panels] of rows) {
    builder.withRow(new dashboards.RowBuilder(name).gridPos({ x: 0, y, w: GRID, h: 1 }));
    panels.forEach((panel, i) => {
      const w = Math.floor(GRID / panels.length);
      builder.withPanel(graph(panel).gridPos({ x: i * w, y: y + 1, w, h: PANEL_HEIGHT }));
    });
    y += 1 + PANEL_HEIGHT;
  }
  return builder.build();
}

function graph([title, unit, queries, description = '']) {
  const panel = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .min(0)
    .fillOpacity(10)
    .datasource(DATASOURCE)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi));
  Object.entries(queries).forEach(([legend, expr], i) => {
    panel.withTarget(
      new prometheus.DataqueryBuilder()
        .refId(String.fromCharCode(65 + i))
        .expr(expr)
        .legendFormat(legend)
        .range(),
    );
  });
  return panel;
}

const files = DASHBOARDS.map((definition) => ({
  file: join(FOLDER, `${definition.uid.replace('batchsender-', '')}.json`),
  text: `${JSON.stringify(dashboard(definition), null, 2)}\n`,
}));
if (process.argv.includes('--check')) {
  const stale = files.filter(({ file, text }) => readFileSync(file, 'utf8') !== text);
  for (const { file } of stale) process.stderr.write(`${file} is not up to date. Run: npm run dashboards\n`);
  process.exitCode = stale.length ? 1 : 0;
} else for (const { file, text } of files) writeFileSync(file, text);
