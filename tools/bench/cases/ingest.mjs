import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ours, peer, RESULTS, race } from '../side.mjs';
import { ratioOf, summarise } from '../statistics.mjs';

/** Both sides decode with so many threads or processes, beside one that directs them. */
const PARALLEL = 2;
/** Small, so that some tens of megabytes fill several. */
const SHARD_BYTES = 16 * 1024 * 1024;
/** Of the sum of all pixels: one side scales in float32, the other in float64. */
const ROUNDING = 1e-6;

const FORMATS = {
  'ingest-dicom': {
    ...{ what: 'DICOM, CT series of 24 × 512 × 512 × int16', peers: 'pydicom', format: 'ct-series' },
    ...{ files: 6, slices: 24, modality: 'ct' },
  },
  'ingest-nifti': {
    ...{ what: 'NIfTI-1 128³ × int16, half of them gzip', peers: 'nibabel', format: 'nifti-both' },
    ...{ files: 12, modality: 'mri' },
  },
  'ingest-npz': {
    ...{ what: '.npz of 64³ × int16, deflated', peers: 'numpy', format: 'npz', files: 48, modality: 'mri' },
  },
  'ingest-png': {
    ...{ what: 'PNG 512 × 512 grey', peers: 'Pillow', format: 'png', files: 96, modality: 'xray' },
  },
};

/** From files on disk to shards and a manifest on disk. */
export const cases = Object.entries(FORMATS).map(([name, { what, peers, ...given }]) => ({
  name,
  title: `Ingest, files to shards: ${what}; ${PARALLEL} decode`,
  run: (context) => run(name, peers, given, context),
}));

async function run(name, peers, described, { pace, say }) {
  const folder = join(RESULTS, 'ingest', name);
  const given = {
    ...described,
    folder: join(folder, 'files'),
    parallel: PARALLEL,
    shardBytes: SHARD_BYTES,
  };
  const { command, arguments: made } = peer('read_files.py', given);
  execFileSync(command, made);
  const files = listFiles(given.folder);
  const mb = files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
  const { times, facts, failed, others } = await race(
    {
      Medformer: ours('ingest.mjs', { ...given, out: join(folder, 'ours') }),
      [peers]: peer('ingest.py', { ...given, out: join(folder, 'theirs') }),
    },
    pace,
    say,
  );
  const disk = mb / plainRead(files);
  const rows = Object.entries(times).map(([side, rounds]) => {
    const ms = summarise(rounds.flat());
    const rate = (mb / ms.median) * 1000;
    return { side, ms, rounds, mb: rate, files: (files.length / ms.median) * 1000, ofDisk: rate / disk };
  });
  const [own, theirs] = Object.values(facts);
  if (Math.abs(own.sum / theirs.sum - 1) > ROUNDING)
    throw new Error(`${name}: pixels sum to ${own.sum} and ${theirs.sum}`);
  return {
    unit: `ms for ${files.length} files, ${mb.toFixed(0)} MB`,
    rows,
    columns: [
      ['files/s', (row) => row.files.toFixed(0)],
      ['MB/s', (row) => row.mb.toFixed(0)],
      ['of plain reading', (row) => `${(100 * row.ofDisk).toFixed(1)} %`],
    ],
    facts,
    failed,
    others,
    promises: [{ what: `speed against ${peers}`, found: ratioOf(times.Medformer, times[peers]), least: 1.5 }],
    notes: [
      `plain reading: ${disk.toFixed(0)} MB/s, all files one after the other out of the system's cache, which cannot be emptied here`,
      `${own.shards} shards beside ${theirs.shards}; sums of pixels equal to one in a million`,
    ],
  };
}

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Seconds for all files, the best of five. */
function plainRead(files) {
  const seconds = Array.from({ length: 5 }, () => {
    const began = performance.now();
    for (const file of files) readFileSync(file);
    return (performance.now() - began) / 1000;
  });
  return Math.min(...seconds);
}
