/** Files to a dataset on disk by the function that the ingestion service's child process runs. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadImages, resolveDataset } from '../../../libs/dataset/dist/index.js';
import { profileOf } from '../../../libs/deidentify/dist/index.js';
import { openObjectStore } from '../../../libs/object-store/dist/index.js';
import { ingest } from '../../../services/ingestion/dist/ingest.js';
import { givenCase, resident, serve } from '../serve.mjs';

const { folder, modality, out, shardBytes } = givenCase();
const KEY = 'the key of the benchmark';
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
  .map((location) => {
    const bytes = readFileSync(location);
    const hash = createHash('sha256').update(bytes).digest('hex');
    return { path: relative(folder, location), bytes: bytes.length, sha256: hash };
  });
const store = { url: pathToFileURL(out).href };

const work = async () => {
  rmSync(out, { recursive: true, force: true });
  return ingest(
    {
      store,
      name: 'bench',
      description: '',
      source: { kind: 'upload', folder, files },
      options: {
        ...{ modality, splitSeed: 0, valFraction: 0.15, testFraction: 0.25 },
        ...{ skipBadFiles: false, allowMd5Mismatch: false },
      },
      pseudonymKey: KEY,
      deidentification: profileOf({ key: KEY, acceptUnstatedPixels: true }),
      maxArchiveBytes: 2 ** 30,
      maxShardBytes: shardBytes,
      codeVersion: 'bench',
    },
    { signal: new AbortController().signal, progress: () => undefined },
  );
};
await work();
await serve(work, await factsOf(), { memory: resident });

/** What the shards hold, read back. */
async function factsOf() {
  const opened = await openObjectStore(store);
  const { manifest } = await resolveDataset(opened, 'bench');
  const groups = await loadImages(opened, manifest);
  const sum = groups.reduce((total, { pixels }) => pixels.reduce((part, pixel) => part + pixel, total), 0);
  return { sum, shards: manifest.shards.length, images: groups.flatMap(({ records }) => records).length };
}
