#!/usr/bin/env node
/** `make bench`: this project against its peers on this machine, side by side; `--list` says what there is. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { isKept, printCase } from './print.mjs';
import { RESULTS } from './side.mjs';

const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '1.5' },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const cases = await allCases();
if (values.help || values.list) {
  console.log('node tools/bench/main.mjs [--case NAME]… [--rounds 6] [--seconds 1.5] [--out FILE.json]');
  for (const { name, title } of cases) console.log(`  ${name.padEnd(18)} ${title}`);
  process.exit(0);
}
const unknown = (values.case ?? []).filter((name) => !cases.some((known) => known.name === name));
if (unknown.length > 0) {
  console.error(`no case ${unknown.join(', ')}; there are ${cases.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const pace = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
const machine = {
  cpu: cpus()[0]?.model.trim(),
  cores: availableParallelism(),
  node: process.version,
  loadBefore: loadavg()[0],
};
if (machine.loadBefore > machine.cores / 2)
  console.error(
    `the machine is busy (load ${machine.loadBefore.toFixed(1)}): read the ratios, not the times`,
  );

const results = {};
const began = performance.now();
for (const each of cases.filter(({ name }) => !values.case || values.case.includes(name)))
  await resultOf(each);
const file =
  values.out ?? join(RESULTS, `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
mkdirSync(RESULTS, { recursive: true });
writeFileSync(file, `${JSON.stringify({ machine, pace, results }, null, 1)}\n`);
const promises = Object.values(results).flatMap((result) => result.promises);
const kept = promises.filter(isKept).length;
console.log(
  `\n${kept} of ${promises.length} promises kept, ${((performance.now() - began) / 60_000).toFixed(1)} min, ${relative(process.cwd(), file)}`,
);

/** Runs a case once and prints it. */
async function resultOf(each) {
  results[each.name] ??= await runCase(each);
  return results[each.name];
}

async function runCase(each) {
  const say = (text) => console.error(`  ${each.name}: ${text}`);
  const result = await each.run({
    pace,
    say,
    /** The float32 rate of this machine's matrix product, GFLOP/s. */
    matmulRate: async () => (await resultOf(cases.find(({ name }) => name === 'rate'))).rate,
    resultOf: (name) => resultOf(cases.find((known) => known.name === name)),
  });
  console.log(printCase(each, result));
  return { title: each.title, ...result };
}

/** One file a subject; each exports `cases`. */
async function allCases() {
  const folder = new URL('./cases/', import.meta.url);
  const modules = await Promise.all(
    readdirSync(folder)
      .sort()
      .map((file) => import(new URL(file, folder).href)),
  );
  return modules.flatMap((module) => module.cases);
}
