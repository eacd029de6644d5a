#!/usr/bin/env node
/** Fails when a package imports what the table in rules.mjs does not allow: `node tools/check-imports/main.mjs`. */
import { fileURLToPath } from 'node:url';
import { findViolations } from './violations.mjs';
import { readWorkspace } from './workspace.mjs';

const packages = readWorkspace(fileURLToPath(new URL('../..', import.meta.url)));
const violations = findViolations(packages);
for (const violation of violations) console.error(violation);
console.log(`imports: ${packages.length} packages, ${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
