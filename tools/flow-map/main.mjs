#!/usr/bin/env node
/** Draws the flow into docs/data-flow.md; with --check it only fails when the drawing there is stale. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drawMermaid, findGaps, placeDrawing } from './flow-map.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const document = `${root}docs/data-flow.md`;

const flows = readdirSync(`${root}services`)
  .filter((service) => existsSync(`${root}services/${service}/package.json`))
  .map((service) => ({
    service,
    ...JSON.parse(readFileSync(`${root}services/${service}/package.json`, 'utf8')).flow,
  }))
  .filter((flow) => flow.reads !== undefined);

const gaps = findGaps(flows);
for (const gap of gaps) console.error(`flow map: ${gap}`);

const before = readFileSync(document, 'utf8');
const after = placeDrawing(before, drawMermaid(flows));
const stale = before !== after;
if (stale && process.argv.includes('--check')) {
  console.error('flow map: docs/data-flow.md is stale; run `make flow-map`');
} else if (stale) {
  writeFileSync(document, after);
}
process.exitCode = gaps.length > 0 || (stale && process.argv.includes('--check')) ? 1 : 0;
