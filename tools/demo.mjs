#!/usr/bin/env node
/** `make demo`: the services on a data folder (MEDFORMER_DATA, default .medformer), then `medformer demo`. */
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../cli/dist/index.js';
import { findRunning, startStandalone } from './standalone.mjs';

const data = process.env.MEDFORMER_DATA ?? fileURLToPath(new URL('../.medformer', import.meta.url));
const shown = (path) => relative(process.cwd(), path);
const log = join(data, 'services.log');

const running = await findRunning(data);
const services = running ?? (await startStandalone({ data, log }).catch(fail));
console.error(
  running === undefined
    ? `services at ${services.address}, metrics at http://localhost:${services.metricsPort}/metrics, log in ${shown(log)}`
    : `uses the services that run at ${services.address}`,
);
services.ended?.then(([code, signal]) => {
  if (!stopping)
    console.error(
      `the services ended (${signal ?? `exit ${code}`}); see ${shown(log)}. Run make demo again to go on.`,
    );
});

let stopping = false;
const arguments_ = ['--address', services.address, 'demo', '--output', shown(join(data, 'report.html'))];
process.exitCode = await main([...arguments_, ...process.argv.slice(2)]);
stopping = true;
await services.stop?.();

function fail(error) {
  console.error(error.message);
  process.exit(1);
}
