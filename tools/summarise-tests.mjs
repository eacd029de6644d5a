#!/usr/bin/env node
/**
 * Ends a test run with one line of true counts: `node tools/summarise-tests.mjs report.json …`.
 * The reports are vitest's JSON. A file that failed to load ran no test, so it counts as one failure; so does a
 * report that is missing. Exits with 1 when anything failed or nothing passed.
 */
import { existsSync, readFileSync } from 'node:fs';

const counts = { passed: 0, failed: 0, skipped: 0 };

for (const report of process.argv.slice(2)) {
  if (!existsSync(report)) {
    console.error(`${report}: the test run left no report`);
    counts.failed += 1;
    continue;
  }
  const { testResults, success } = JSON.parse(readFileSync(report, 'utf8'));
  const failedBefore = counts.failed;
  for (const file of testResults) {
    const failedInFile = file.assertionResults.filter((test) => test.status === 'failed').length;
    counts.passed += file.assertionResults.filter((test) => test.status === 'passed').length;
    counts.failed += failedInFile;
    counts.skipped += file.assertionResults.filter(
      (test) => !['passed', 'failed'].includes(test.status),
    ).length;
    if (file.status === 'failed' && failedInFile === 0) {
      console.error(`${file.name}: ${file.message}`);
      counts.failed += 1;
    }
  }
  // An error outside any test, e.g. a rejected promise that nobody awaited.
  if (!success && counts.failed === failedBefore) counts.failed += 1;
}

const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
