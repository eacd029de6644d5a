#!/usr/bin/env node
/**
 * Writes archives in the form of MedMNIST sets from the phantom cohort, for where the published files cannot be had:
 * same names, axes, splits and task kinds, other images. Labels are learnable; lesions are hard.
 *
 *   node tools/medmnist/phantom-sets.mjs FOLDER [--patients 60] [--volume-patients 24] [--sets octmnist,...]
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeNpy, encodeZip } from '../../libs/imaging/dist/index.js';
import { generateCohort, LESIONS, REGIONS } from '../../libs/phantom/dist/index.js';

const NAMES = REGIONS.map(({ name }) => name);
const regionOf = ({ labels }) => NAMES.indexOf(labels.region);
const lesionOf = ({ labels }) => LESIONS.indexOf(labels.lesion);
const hasLesion = (scan) => Number(scan.labels.lesion !== 'none');

/** What stands in for each set: which scans, their label by MedMNIST's numbering, and every how many-th to train on. */
const SETS = {
  pneumoniamnist: { dimensions: 2, label: hasLesion },
  breastmnist: { dimensions: 2, label: (scan) => Number(regionOf(scan) < 3), every: 8 },
  octmnist: { dimensions: 2, label: lesionOf },
  // Regions from head to knee, in fives.
  retinamnist: { dimensions: 2, colour: true, label: (scan) => regionOf(scan) >> 1 },
  bloodmnist: { dimensions: 2, colour: true, take: (scan) => regionOf(scan) < 8, label: regionOf },
  // Ten regions, then four findings: several at once.
  chestmnist: {
    dimensions: 2,
    label: (scan) => [
      ...NAMES.map((name) => Number(name === scan.labels.region)),
      hasLesion(scan),
      ...LESIONS.filter((lesion) => lesion !== 'none').map((lesion) => Number(lesion === scan.labels.lesion)),
    ],
  },
  fracturemnist3d: { dimensions: 3, label: (scan) => Math.min(2, regionOf(scan) >> 2) },
  adrenalmnist3d: { dimensions: 3, label: hasLesion },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    patients: { type: 'string', default: '60' },
    'volume-patients': { type: 'string', default: '24' },
    seed: { type: 'string', default: '11' },
    sets: { type: 'string', default: Object.keys(SETS).join(',') },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('expected a folder to write to');
const patients = Number(values.patients);
const volumePatients = Number(values['volume-patients']);

const scans = { 2: { train: [], val: [], test: [] }, 3: { train: [], val: [], test: [] } };
await generateCohort({ seed: Number(values.seed), patients, volumePatients }, (made, patient) => {
  for (const scan of made) {
    const dimensions = scan.shape.length;
    const share = patient / (dimensions === 3 ? volumePatients : patients);
    scans[dimensions][share < 0.6 ? 'train' : share < 0.75 ? 'val' : 'test'].push(scan);
  }
});

await mkdir(folder, { recursive: true });
for (const name of values.sets.split(',')) {
  const set = SETS[name];
  if (!set) throw new Error(`${name}: expected one of ${Object.keys(SETS).join(', ')}`);
  const members = {};
  for (const [split, all] of Object.entries(scans[set.dimensions])) {
    const every = split === 'train' ? (set.every ?? 1) : 1;
    const taken = all.filter((scan, at) => (set.take?.(scan) ?? true) && at % every === 0);
    const labels = taken.map((scan) => [set.label(scan)].flat());
    const edges = [...taken[0].shape, ...(set.colour ? [3] : [])];
    members[`${split}_images.npy`] = encodeNpy({
      descr: '|u1',
      shape: [taken.length, ...edges],
      data: Buffer.concat(taken.map((scan) => pixelsOf(scan, set.colour))),
    });
    members[`${split}_labels.npy`] = encodeNpy({
      descr: '|u1',
      shape: [taken.length, labels[0].length],
      data: Uint8Array.from(labels.flat()),
    });
  }
  const file = join(folder, `${name}.npz`);
  await writeFile(`${file}.partial`, encodeZip(members));
  await rename(`${file}.partial`, file);
  console.log(file);
}

/** 8 bits; of a volume between its 1st and 99.5th percentile. Colour: a tint by modality. */
function pixelsOf({ voxels, modality }, colour) {
  let grey = voxels;
  if (voxels instanceof Int16Array) {
    const sorted = Int16Array.from(voxels).sort();
    const [low, high] = [0.01, 0.995].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
    grey = Uint8ClampedArray.from(voxels, (value) => (255 * (value - low)) / Math.max(1, high - low));
  }
  if (!colour) return Buffer.from(grey);
  const tints = { xray: [1, 0.9, 0.8], ct: [0.8, 1, 0.9], mri: [0.9, 0.8, 1], pet: [1, 0.7, 0.7] };
  return Buffer.from(
    Uint8Array.from(
      { length: grey.length * 3 },
      (_, at) => grey[Math.floor(at / 3)] * tints[modality][at % 3],
    ),
  );
}
