/** Writes the dashboards into the chart. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dashboards } from './index.js';
import { fileOf } from './json.js';

const folder = fileURLToPath(new URL('../../../charts/medformer/files/dashboards', import.meta.url));
mkdirSync(folder, { recursive: true });
for (const [name, dashboard] of Object.entries(dashboards))
  writeFileSync(`${folder}/${name}.json`, fileOf(dashboard));
