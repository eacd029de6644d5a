#!/usr/bin/env node
// Writes charts/medformer/values.schema.json and README.md out of values.yaml; with --check compares instead.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readmeOf } from './readme.mjs';
import { schemaOf } from './schema.mjs';
import { readValues } from './values.mjs';

const chart = new URL('../../charts/medformer/', import.meta.url);
const values = readValues(readFileSync(new URL('values.yaml', chart), 'utf8'));
const files = {
  'values.schema.json': `${JSON.stringify(schemaOf(values), null, 2)}\n`,
  'README.md': readmeOf(values),
};

let stale = false;
for (const [name, content] of Object.entries(files)) {
  const file = new URL(name, chart);
  if (!process.argv.includes('--check')) writeFileSync(file, content);
  else if (content !== readOrNothing(file)) {
    stale = true;
    console.error(`${fileURLToPath(file)} is not what values.yaml makes: run \`make charts\``);
  }
}
process.exitCode = stale ? 1 : 0;

function readOrNothing(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
