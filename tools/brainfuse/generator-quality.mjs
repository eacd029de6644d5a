#!/usr/bin/env node
/**
 * Trains a generator on a cohort of the phantom and measures fusions before and after it, for every mask and 2 and 8
 * patients, on patients of the test split: the table of docs/decisions/0010-brainfuse-generator.md.
 *
 *   node tools/brainfuse/generator-quality.mjs experiments/brainfuse/generator-2d.yaml
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import {
  drawFusion,
  drawSources,
  fusionPools,
  Generator,
  rawFuse,
  seamEnergy,
  trainGenerator,
} from '../../libs/brainfuse/dist/index.js';
import { diversity } from '../../libs/brainfuse/dist/quality/diversity.js';
import { frechetDistance } from '../../libs/brainfuse/dist/quality/frechet-distance.js';
import { histogramDistance } from '../../libs/brainfuse/dist/quality/histogram-distance.js';
import { memorisation } from '../../libs/brainfuse/dist/quality/memorisation.js';
import { regionDrifts } from '../../libs/brainfuse/dist/quality/region-means.js';
import { normalise, ruleFor } from '../../libs/imaging/dist/index.js';
import { GROUP_COHORT, generateGroupPatient } from '../../libs/phantom/dist/index.js';
import { FusionSpec, GeneratorSpec, Rng } from '../../libs/schema/dist/index.js';
import { tf, useBackend } from '../../libs/tensorflow/dist/index.js';

const { parse } = createRequire(new URL('../../cli/package.json', import.meta.url))('yaml');

const STRATEGIES = ['smooth-fields', 'voronoi', 'blocks', 'tissue'];
const experiment = parse(await readFile(process.argv[2], 'utf8'));
const spec = GeneratorSpec.parse(experiment.generator);
await useBackend();

const scans = cohort({ ...GROUP_COHORT, ...experiment.cohort, volumes: spec.axes === 3 });
const began = performance.now();
const state = await trainGenerator({
  spec,
  scans,
  signal: new AbortController().signal,
  onStep({ step, loss, seam, stepMs }) {
    if (step % 50 === 0)
      process.stderr.write(
        `step ${step}: loss ${loss.toFixed(4)}, seam ${seam?.toFixed(3)}, ${stepMs.toFixed(0)} ms\n`,
      );
  },
  onCheckpoint: async () => {},
});
console.log(`${spec.steps} steps in ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
const generator = Generator.of(spec, state.channels, state.weights);

const tests = scans.filter(({ record }) => record.split === 'test');
const { shape } = tests[0].record;
const reals = tests.map(unitValues);
const kernels = randomKernels();
const features = featuresOf(reals);
const halves = [0, 1].map((parity) => reals.filter((_, at) => at % 2 === parity));
console.log(
  `Two halves of ${reals.length} scans: grey distance ${histogramDistance(...halves.map(levels)).toFixed(4)}, ` +
    `Frechet ${frechetDistance(...halves.map(featuresOf)).toFixed(4)}, diversity ${diversity(reals).toFixed(3)}\n`,
);
console.log(
  '| patients | mask | fusion | jump | expected | excess | drift | grey | Frechet | copies | diversity |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|');
for (const patients of [2, 8]) {
  for (const strategy of STRATEGIES) {
    const raws = rawFusions(patients, strategy);
    const repaired = generator.repairAll(raws);
    row(
      [patients, strategy, 'raw'],
      raws,
      raws.map(({ values }) => values),
    );
    row([patients, strategy, 'repaired'], raws, repaired);
  }
}

function row(names, raws, images) {
  const energies = images.map((values, at) => seamEnergy(values, raws[at]));
  const [jump, expected, excess] = ['jump', 'expected', 'excess'].map((key) =>
    mean(energies.map((energy) => energy[key])).toFixed(4),
  );
  const drift = Math.max(
    ...images.flatMap((values, at) => regionDrifts(raws[at].values, values, raws[at].weights, 1)),
  );
  const scansOf = tests.map(({ record: { subject } }, at) => ({ subject, values: reals[at] }));
  const cells = [
    ...names,
    jump,
    expected,
    excess,
    `${(100 * drift).toFixed(2)} %`,
    histogramDistance(levels(images), levels(reals)).toFixed(4),
    frechetDistance(featuresOf(images), features).toFixed(4),
    `${(100 * memorisation(images, scansOf).rate).toFixed(0)} %`,
    diversity(images).toFixed(3),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}

function rawFusions(patients, strategy) {
  const fusion = FusionSpec.parse({
    ...spec.fusion,
    sources: [patients],
    mask: { strategy },
    split: 'test',
    seed: 99,
  });
  const pools = fusionPools(scans, fusion);
  return Array.from({ length: experiment.fusions }, (_, index) => {
    const sources = drawSources(pools, fusion, Rng.of('generator quality sources', index));
    return rawFuse(fusion, sources, drawFusion(fusion, sources, Rng.of('generator quality', index)));
  });
}

function cohort(group) {
  const patients = group.groups * Object.values(group.perGroup).reduce((sum, count) => sum + count, 0);
  return Array.from({ length: patients }, (_, patient) => generateGroupPatient(group, patient))
    .flat()
    .filter(({ shape }) => shape.length === spec.axes)
    .map((scan) => {
      const pixels = normalise({ values: scan.voxels }, ruleFor('mri'));
      const source = createHash('sha256').update(pixels).digest('hex');
      const { subject, split, modality, bodyPart, spacingMm } = scan;
      const pixelType = pixels instanceof Uint16Array ? 'uint16' : 'uint8';
      const shape = [...scan.shape, 1];
      return {
        record: {
          id: source.slice(0, 16),
          subject,
          split,
          modality,
          bodyPart,
          shape,
          pixelType,
          spacingMm,
          labels: {},
          source,
        },
        pixels,
      };
    });
}

function unitValues({ pixels }) {
  return Float32Array.from(pixels, (value) => value / (pixels instanceof Uint16Array ? 65535 : 255));
}

/** Three layers of random filters, averaged over the image: enough to tell distributions apart, and nobody's training. */
function randomKernels() {
  const rng = Rng.of('random features');
  return [
    [1, 16],
    [16, 32],
    [32, 32],
  ].map(([from, to]) => {
    const size = 3 ** spec.axes * from;
    const values = Float32Array.from({ length: size * to }, () => rng.normal(0, Math.sqrt(2 / size)));
    return tf.tensor(values, [...Array(spec.axes).fill(3), from, to]);
  });
}

function featuresOf(images) {
  const convolve = spec.axes === 3 ? tf.conv3d : tf.conv2d;
  const found = tf.tidy(() => {
    let h = tf.tensor(joined(images), [images.length, ...shape]);
    kernels.forEach((kernel, layer) => {
      h = tf.relu(convolve(h, kernel, layer === 0 ? 1 : 2, 'same'));
    });
    return tf.mean(tf.reshape(h, [images.length, -1, 32]), 1);
  });
  return found.arraySync();
}

/** How often each of 256 grey levels occurs. */
function levels(images) {
  const counts = new Float64Array(256);
  for (const image of images) for (const value of image) counts[Math.round(255 * value)] += 1;
  return counts;
}

function joined(images) {
  const all = new Float32Array(images.length * images[0].length);
  images.forEach((image, at) => {
    all.set(image, at * image.length);
  });
  return all;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
