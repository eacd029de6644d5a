import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { dashboards, expressionsOf } from './index.js';
import { fileOf } from './json.js';

const FOLDER = fileURLToPath(new URL('../../../charts/medformer/files/dashboards', import.meta.url));
const METRICS = readFileSync(fileURLToPath(new URL('../../../docs/metrics.md', import.meta.url)), 'utf8');
const RULES = readFileSync(
  fileURLToPath(new URL('../../../charts/medformer/files/rules/medformer.yaml', import.meta.url)),
  'utf8',
);

it('are in the chart as the code says; node libs/dashboards/dist/main.js writes them', () => {
  const files = Object.keys(dashboards).map((name) => `${name}.json`);
  expect(readdirSync(FOLDER).sort()).toEqual(files.sort());
  for (const [name, dashboard] of Object.entries(dashboards))
    expect(readFileSync(`${FOLDER}/${name}.json`, 'utf8'), name).toBe(fileOf(dashboard));
});

it('have an address each, which links and bookmarks keep', () => {
  const uids = Object.values(dashboards).map(({ uid }) => uid);
  expect(new Set(uids).size).toBe(uids.length);
  for (const uid of uids) expect(uid).toMatch(/^medformer-[a-z]+$/);
});

describe.each(Object.entries(dashboards))('the dashboard %s', (_name, dashboard) => {
  const panels = (dashboard.panels ?? []).filter(({ type }) => type !== 'row');

  it('takes its data source and its services from variables, so that it is imported as it stands', () => {
    expect(dashboard.templating?.list?.map(({ name }) => name)).toEqual(['datasource', 'job']);
    const sources = [...fileOf(dashboard).matchAll(/"uid": "([^"]*)"/g)].map(([, uid]) => uid);
    expect(new Set(sources)).toEqual(new Set([`\${datasource}`, dashboard.uid]));
  });

  it('says of every panel what to read from it, in a unit, with no two on one place', () => {
    const places = panels.map((panel) => JSON.stringify('gridPos' in panel && panel.gridPos));
    expect(new Set(places).size).toBe(panels.length);
    for (const panel of panels) {
      expect(panel).toMatchObject({ title: /./, description: /.\.$/ });
      expect('fieldConfig' in panel && panel.fieldConfig?.defaults.unit, String(panel.title)).toBeTruthy();
    }
    const titles = expressionsOf(dashboard).map(({ panel }) => panel);
    expect(new Set(titles).size).toBeLessThanOrEqual(panels.length);
  });

  it('asks only for what the services export or a rule records', () => {
    for (const { panel, expression } of expressionsOf(dashboard)) {
      const names = expression.match(/\b(medformer|grpc)[_:][a-z0-9_:]+/g) ?? [];
      for (const name of names.filter(
        (found) => found !== 'grpc_service' && !found.match(/^grpc_(method|code)$/),
      )) {
        const known = name.includes(':')
          ? RULES.includes(`record: ${name}\n`)
          : METRICS.includes(`\`${name.replace(/_(bucket|sum|count)$/, '')}\``) ||
            METRICS.includes(`\`${name}\``);
        expect(known, `${panel}: ${name}`).toBe(true);
      }
    }
  });
});
