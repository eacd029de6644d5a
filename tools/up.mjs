#!/usr/bin/env node
/** `make up`: the services in the foreground on a data folder (MEDFORMER_DATA, default .medformer). */
import { fileURLToPath } from 'node:url';
import { findRunning, startStandalone } from './standalone.mjs';

const data = process.env.MEDFORMER_DATA ?? fileURLToPath(new URL('../.medformer', import.meta.url));

const running = await findRunning(data);
if (running !== undefined) {
  console.error(`already running at ${running.address}`);
} else {
  const services = await startStandalone({ data }).catch(fail);
  console.error(
    `services at ${services.address}, metrics at http://localhost:${services.metricsPort}/metrics`,
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => services.stop());
  const [code] = await services.ended;
  process.exitCode = code ?? 1;
}

function fail(error) {
  console.error(error.message);
  process.exit(1);
}
