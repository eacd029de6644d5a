import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ours, peer, RESULTS, race } from '../side.mjs';
import { summarise } from '../statistics.mjs';

/** Both sides read these many files with this many processes or threads, from disk to normalised array. */
const PARALLEL = 2;

const FORMATS = {
  'read-dicom-raw': { what: 'DICOM 512 × 512 × int16, uncompressed', peers: 'pydicom', files: 48 },
  'read-dicom-rle': { what: 'DICOM 512 × 512 × int16, RLE', peers: 'pydicom + pylibjpeg', files: 24 },
  'read-dicom-jpeg-lossless': {
    what: 'DICOM 512 × 512 × int16, JPEG lossless',
    peers: 'pydicom + GDCM',
    files: 12,
  },
  'read-dicom-jpeg-ls': { what: 'DICOM 512 × 512 × int16, JPEG-LS', peers: 'pydicom + pyjpegls', files: 12 },
  'read-dicom-jpeg-2000': {
    what: 'DICOM 512 × 512 × int16, JPEG 2000',
    peers: 'pydicom + pylibjpeg',
    files: 6,
  },
  'read-nifti': { what: 'NIfTI-1 128³ × int16', peers: 'nibabel', files: 8 },
  'read-nifti-gz': { what: 'NIfTI-1 128³ × int16, gzip', peers: 'nibabel', files: 8 },
  'read-npz': { what: '.npz of 64³ × int16, deflated', peers: 'numpy', files: 24 },
  'read-png': { what: 'PNG 512 × 512 grey', peers: 'Pillow', files: 48 },
};

export const cases = Object.entries(FORMATS).map(([name, { what, peers, files }]) => ({
  name,
  title: `Read ${files} files to normalised arrays: ${what}, ${PARALLEL} at a time`,
  run: (context) => run(name, peers, files, context),
}));

async function run(name, peers, files, { pace, say }) {
  const given = {
    format: name.slice('read-'.length),
    files,
    parallel: PARALLEL,
    folder: join(RESULTS, 'read', name),
  };
  const { command, arguments: made } = peer('read_files.py', given);
  execFileSync(command, made);
  const { times, facts, failed, others } = await race(
    { Medformer: ours('read.mjs', given), [peers]: peer('read.py', given) },
    pace,
    say,
  );
  const rows = Object.entries(times).map(([side, rounds]) => {
    const ms = summarise(rounds.flat());
    return {
      side,
      ms,
      rounds,
      rate: (files / ms.median) * 1000,
      mb: (facts[side].decodedMb / ms.median) * 1000,
    };
  });
  const ratio = rows[1].ms.median / rows[0].ms.median;
  return {
    unit: 'ms for all files',
    rows,
    columns: [
      ['files/s', ({ rate }) => rate.toFixed(0)],
      ['MB/s', ({ mb }) => mb.toFixed(0)],
    ],
    facts,
    failed,
    others,
    promises: [{ what: `speed against ${peers}`, found: ratio, least: 1 }],
    notes: [],
  };
}
