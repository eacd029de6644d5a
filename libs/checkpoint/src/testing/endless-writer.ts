/** Writes and prunes checkpoints of one run in the folder it is given, from the newest on, until it is killed. */
import { openFilesystemStore } from '@medformer/object-store';
import { KeepSpec, RunSpec, runId, sha256 } from '@medformer/schema';
import { loadNewestCheckpoint, pruneCheckpoints, writeCheckpoint } from '../checkpoint-store.js';

const VALUES = 256 * 1024;

const store = await openFilesystemStore(process.argv[2]!);
const dataset = sha256('dataset');
const spec = RunSpec.parse({ dataset, method: { name: 'simclr' }, steps: 1_000_000, codeVersion: 'test' });
const codes = { modalities: [], bodyParts: [], tasks: [] };
const newest = await loadNewestCheckpoint(store, runId(spec));
for (let step = (newest?.record.step ?? 0) + 1; ; step += 1) {
  const tensor = { dtype: 'F32' as const, shape: [VALUES], data: new Float32Array(VALUES).fill(step) };
  await writeCheckpoint(
    store,
    spec,
    codes,
    { mean: 0.5, std: 0.5 },
    {
      step,
      weights: new Map([['body/a', tensor]]),
      optimiser: new Map([['m/body/a', tensor]]),
      history: [],
    },
  );
  await pruneCheckpoints(store, runId(spec), KeepSpec.parse({ last: 2 }), []);
  process.stdout.write(`${step}\n`);
}
