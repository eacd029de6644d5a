import { generatePatient, type PhantomScan } from '@medformer/phantom';
import {
  type DataReport,
  DataReportSpec,
  DatasetManifest,
  type ImageRecord,
  Rng,
  type Split,
  sha256,
} from '@medformer/schema';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { leakageText } from './leakage.js';
import { Survey, type SurveyedCohort } from './survey.js';

interface TestImage {
  record: ImageRecord;
  pixels: Uint8Array;
}

let phantom: TestImage[];
beforeAll(() => {
  phantom = Array.from({ length: 12 }, (_, patient) =>
    generatePatient(5, patient, { volumes: patient < 2 }).map((scan) =>
      imageOf(scan, patient < 8 ? 'train' : patient < 10 ? 'val' : 'test'),
    ),
  ).flat();
});

describe('a survey of a cohort', () => {
  it('takes no patient of the phantom for another', async () => {
    const { report } = await survey(phantom);

    expect(report.duplicates).toMatchObject({
      exact: { leaking: 0, within: 0 },
      near: { leaking: 0, within: 0 },
      listed: [],
    });
    expect(report.sharedSubjects).toEqual([]);
    expect(leakageText(report)).toBeUndefined();
  });

  it.each<[string, (image: TestImage) => Promise<Uint8Array> | Uint8Array]>([
    ['encoded as JPEG', ({ pixels, record }) => asJpeg(pixels, record.shape, 90)],
    ['moved by a pixel', ({ pixels, record }) => moved(pixels, record.shape)],
    ['made darker', ({ pixels }) => pixels.map((value) => 0.8 * value)],
    ['of another gamma', ({ pixels }) => pixels.map((value) => 255 * (value / 255) ** 0.85)],
    ['noisier', ({ pixels }) => noisier(pixels)],
  ])('finds an image and a volume again that were %s', async (_, change) => {
    const originals = [image('mri', 2), image('xray', 2), image('ct', 2), image('ct', 3)];
    const copies: TestImage[] = [];
    for (const original of originals) copies.push(copyOf(original, await change(original)));
    const { report } = await survey([...phantom, ...copies]);

    const found = report.duplicates.listed.map(({ kind, images }) => [kind, ...images.map(({ id }) => id)]);
    const planted = originals.map(({ record }, at) => ['near', record.id, copies[at]!.record.id]);
    expect(found.sort()).toEqual(planted.sort());
    expect(report.duplicates.near).toEqual({ leaking: originals.length, within: 0 });
  });

  it('finds a copy of another size', async () => {
    const original = image('ct', 2);
    const [height = 0, width = 0] = original.record.shape;
    const larger = await sharp(original.pixels, { raw: { width, height, channels: 1 } })
      .resize(4 * width, 4 * height)
      .greyscale()
      .raw()
      .toBuffer();
    const copy = copyOf(original, new Uint8Array(larger), [4 * height, 4 * width, 1]);
    const { report } = await survey([...phantom, copy]);

    expect(report.duplicates.near).toEqual({ leaking: 1, within: 0 });
  });

  it('names an exact copy in another split, and only counts one in the same split', async () => {
    const original = image('ct', 2);
    const across = copyOf(original, original.pixels);
    const within = copyOf(image('mri', 2), image('mri', 2).pixels);
    Object.assign(within.record, { split: 'train', subject: image('mri', 2).record.subject });
    const { report } = await survey([...phantom, across, within]);

    expect(report.duplicates.exact).toEqual({ leaking: 1, within: 1 });
    expect(report.duplicates.near).toEqual({ leaking: 0, within: 0 });
    expect(leakageText(report)).toBe(
      `dataset phantom: 1 pair of images stands in two splits: ${original.record.id} (train) and ${across.record.id} (test) have equal pixels`,
    );
  });

  it('names a subject in two splits', async () => {
    const torn = { ...image('ct', 2), record: { ...image('ct', 2).record, split: 'val' as Split } };
    const { report } = await survey([torn, ...phantom.filter(({ record }) => record.id !== torn.record.id)]);

    expect(report.sharedSubjects).toEqual([
      { dataset: 0, subject: torn.record.subject, splits: ['val', 'train'] },
    ]);
    expect(leakageText(report)).toContain(`1 subject stands in two splits: subject ${torn.record.subject}`);
  });

  it('takes no blank image for the copy of another', async () => {
    const blank = () => copyOf(image('ct', 2), new Uint8Array(image('ct', 2).pixels.length));
    const train = blank();
    train.record.split = 'train';
    const { report } = await survey([
      ...phantom,
      train,
      { ...blank(), record: { ...train.record, id: 'b'.repeat(16), split: 'test' } },
    ]);

    expect(report.blankImages).toBe(2);
    expect(report.duplicates.exact.leaking).toBe(0);
  });

  it('gives every modality and body part its row, and compares no image with a volume', async () => {
    const { report } = await survey(phantom);
    const { means, within, between } = report.similarity.pixels;
    const [flat, deep] = [2, 3].map((axes) => report.groups.findIndex((group) => group.axes === axes));

    expect(means[flat!]![deep!]).toBeNull();
    expect([within, between].every((mean) => mean! > 0 && mean! < 1)).toBe(true);
    expect(means).toHaveLength(report.groups.length);
    expect(report.groups.reduce((sum, { images }) => sum + images, 0)).toBe(phantom.length);
  });

  it('adds what embeddings say of groups and of pairs', async () => {
    const original = image('ct', 2);
    const cohort = await survey([...phantom, copyOf(original, original.pixels)]);
    const wanted = cohort.wanted();
    expect(wanted[0]!.has(original.record.id)).toBe(true);
    const byModality = (id: string) =>
      ['xray', 'ct', 'mri', 'pet'].map((modality) =>
        Number(phantom.find(({ record }) => record.id === id)?.record.modality === modality),
      );
    const embeddings = new Map([...wanted[0]!].map((id) => [id, byModality(id)]));
    embeddings.set(cohort.report.duplicates.listed[0]!.images[1].id, [0, 1, 0, 0]);
    const report = cohort.withEmbeddings([embeddings]);

    expect(report.similarity.embedding!.within).toBeCloseTo(1, 3);
    expect(report.similarity.embedding!.between!).toBeLessThan(0.5);
    expect(report.duplicates.listed[0]!.embeddingCosine).toBeCloseTo(1, 3);
  });
});

async function survey(images: readonly TestImage[]): Promise<SurveyedCohort> {
  const spec = DataReportSpec.parse({ datasets: ['0'.repeat(64)] });
  const surveyed = new Survey(spec, [manifest()]);
  for (const { record, pixels } of images) surveyed.add(0, record, pixels);
  const cohort = await surveyed.finish('test');
  expect(JSON.parse(JSON.stringify(cohort.report)) as DataReport).toEqual(cohort.report);
  return cohort;
}

/** The first image of a patient to train on with these. */
function image(modality: string, axes: 2 | 3): TestImage {
  return phantom.find(({ record }) => record.modality === modality && record.shape.length === axes + 1)!;
}

function imageOf(scan: PhantomScan, split: Split): TestImage {
  const { subject, modality, bodyPart, labels, shape, voxels } = scan;
  const pixels = voxels instanceof Uint8Array ? voxels : eightBit(voxels);
  const source = sha256(`${subject} ${labels.region} ${shape.length} ${sha256(pixels)}`);
  return {
    pixels,
    record: {
      id: source.slice(0, 16),
      subject,
      split,
      modality,
      bodyPart,
      shape: [...shape, 1],
      pixelType: 'uint8',
      labels: {},
      source,
      tensor: 'unused',
      row: 0,
    },
  };
}

function eightBit(voxels: Int16Array): Uint8Array {
  const sorted = voxels.toSorted();
  const [low, high] = [0.005, 0.995].map((share) => sorted[Math.floor(share * sorted.length)]!);
  return Uint8Array.from(voxels, (value) =>
    Math.min(255, Math.max(0, (255 * (value - low!)) / (high! - low!))),
  );
}

/** Of another subject, to test on. */
function copyOf({ record }: TestImage, pixels: Uint8Array, shape = record.shape): TestImage {
  const id = sha256(`copy of ${record.id}`).slice(0, 16);
  return { pixels, record: { ...record, id, shape, subject: `copy of ${record.subject}`, split: 'test' } };
}

async function asJpeg(pixels: Uint8Array, shape: number[], quality: number): Promise<Uint8Array> {
  const [depth, height, width] = (shape.length === 4 ? shape : [1, ...shape]) as [number, number, number];
  const slice = height * width;
  const encoded = new Uint8Array(pixels.length);
  for (let z = 0; z < depth; z += 1) {
    const raw = sharp(pixels.subarray(z * slice, (z + 1) * slice), { raw: { width, height, channels: 1 } });
    const jpeg = await raw.jpeg({ quality }).toBuffer();
    encoded.set(await sharp(jpeg).greyscale().raw().toBuffer(), z * slice);
  }
  return encoded;
}

function moved(pixels: Uint8Array, shape: number[]): Uint8Array {
  const width = shape.at(-2)!;
  return pixels.map((value, at) => (at % width === 0 ? value : pixels[at - 1]!));
}

function noisier(pixels: Uint8Array): Uint8Array {
  const rng = Rng.of(1, 'noise');
  return pixels.map((value) => Math.min(255, Math.max(0, value + rng.normal(0, 2))));
}

function manifest(): DatasetManifest {
  return DatasetManifest.parse({
    kind: 'medformer.dataset.v1',
    name: 'phantom',
    description: '',
    source: { format: 'image-folder', synthetic: true, digest: '0'.repeat(64), files: 1, bytes: 1 },
    deidentification: { profile: '', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject', seed: 0 },
    labelSpaces: [],
    census: { images: {}, subjects: {}, modalities: {}, bodyParts: {}, shapes: [], labels: {} },
    shards: [],
    codeVersion: 'test',
  });
}
