/**
 * Lets everything go wrong that can at every request of an ingest into S3, one after the other: each fault of the proxy,
 * SIGKILL of the ingesting process and of the service, before and after the request. Says of each how it ended; fails where
 * a store is left that is neither the old nor the new one. Minutes; the specs take a sample of it. After `make build`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const began = performance.now();
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    'services/ingestion/src/ingestion-crash.spec.ts',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, CRASH_SWEEP: 'all' } },
);
console.log(`${((performance.now() - began) / 60_000).toFixed(1)} min`);
process.exit(status ?? 1);
