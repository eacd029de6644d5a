import type * as cog from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as grafana from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

/** PromQL and the legend of its series, `{{label}}` replaced by Grafana. */
export type Query = readonly [expression: string, legend: string];

export interface Shown {
  title: string;
  /** What to read from it, one sentence. */
  description: string;
  /** One of Grafana's unit ids, e.g. `s`, `bytes`, `percentunit`. */
  unit: string;
  queries: readonly Query[];
}

type Panel = cog.Builder<grafana.Panel>;

const DATASOURCE: common.DataSourceRef = { type: 'prometheus', uid: `\${datasource}` };
/** Columns of Grafana's grid. */
const GRID = 24;

/** Curves over time. */
export function chart(
  { title, description, unit, queries }: Shown,
  options: { stacked?: boolean } = {},
): Panel {
  const panel = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .unit(unit)
    .height(8)
    .span(GRID / 3)
    .lineWidth(1)
    .fillOpacity(options.stacked ? 30 : 5)
    .showPoints(common.VisibilityMode.Never)
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
    .targets(targets(queries, false));
  if (options.stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  return panel;
}

/** The present value, large. */
export function number({ title, description, unit, queries }: Shown): Panel {
  return new stat.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .unit(unit)
    .height(4)
    .span(GRID / 6)
    .targets(targets(queries, true));
}

/** A dashboard of rows of panels, over the services that the variable `job` picks. */
export function dashboard(of: {
  uid: string;
  title: string;
  description: string;
  rows: readonly { title: string; panels: readonly Panel[] }[];
}): grafana.Dashboard {
  const builder = new grafana.DashboardBuilder(of.title)
    .uid(of.uid)
    .description(of.description)
    .tags(['medformer'])
    .editable()
    .tooltip(grafana.DashboardCursorSync.Crosshair)
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .timezone('browser')
    .link(
      new grafana.DashboardLinkBuilder('Medformer')
        .type(grafana.DashboardLinkType.Dashboards)
        .tags(['medformer'])
        .keepTime(true)
        .includeVars(true),
    )
    .withVariable(new grafana.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(
      new grafana.QueryVariableBuilder('job')
        .label('Service')
        .datasource(DATASOURCE)
        .query('label_values(medformer_build_info, job)')
        .refresh(grafana.VariableRefresh.OnTimeRangeChanged)
        .sort(grafana.VariableSort.AlphabeticalAsc)
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ selected: true, text: 'All', value: '$__all' }),
    );
  for (const { title, panels } of of.rows) {
    builder.withRow(new grafana.RowBuilder(title));
    for (const panel of panels) builder.withPanel(panel);
  }
  return builder.build();
}

function targets(queries: readonly Query[], now: boolean): cog.Builder<cog.Dataquery>[] {
  return queries.map(([expression, legend], index) => {
    const query = new prometheus.DataqueryBuilder()
      .refId(String.fromCharCode('A'.charCodeAt(0) + index))
      .expr(expression)
      .legendFormat(legend)
      .editorMode(prometheus.QueryEditorMode.Code);
    return now ? query.instant() : query.range();
  });
}
