import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rng, sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy, encodeZip, type NpyPart } from '../npz/encode-npz.js';
import { MEDMNIST_SETS, medmnistSetByMd5, medmnistSetOf } from '../npz/medmnist-sets.js';
import { pictures, readSource } from '../spec/sources.js';
import { refuseOtherMd5 } from './identify-medmnist.js';
import type { ImageSource, SourceImage, SourceOptions } from './image-source.js';
import { openSource } from './open-source.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medmnist-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('openSource on a MedMNIST archive', () => {
  it('gives every image with its pixels, label, split and what the set table knows', async () => {
    const members = archive({ edges: [28, 28], classes: 2 });
    const source = await open('pneumoniamnist_64.npz', pack(members));
    expect(source.labelSpaces).toEqual([
      { task: 'pneumoniamnist', kind: 'binary', classes: ['normal', 'pneumonia'] },
    ]);
    const images = await all(source);
    expect(images.map(({ split }) => split)).toEqual([
      ...fill('train', 5),
      ...fill('val', 3),
      ...fill('test', 2),
    ]);
    const [, second] = images;
    expect(second).toMatchObject({
      modality: 'xray',
      bodyPart: 'chest',
      shape: [28, 28, 1],
      pixelType: 'uint8',
      labels: { pneumoniamnist: 1 },
    });
    expect(Uint8Array.from(second!.pixels)).toEqual(
      (members.train_images!.data as Uint8Array).slice(784, 1568),
    );
    expect(new Set(images.map(({ id }) => id)).size).toBe(10);
  });

  it('takes colour, volumes and multi-label sets as their table says', async () => {
    const colour = await all(await open('bloodmnist.npz', pack(archive({ edges: [28, 28, 3], classes: 8 }))));
    expect(colour[0]!.shape).toEqual([28, 28, 3]);
    const volumes = await all(
      await open('organmnist3d.npz', pack(archive({ edges: [28, 28, 28], classes: 11 }))),
    );
    expect(volumes[0]!.shape).toEqual([28, 28, 28, 1]);
    const multi = await open('chestmnist.npz', pack(archive({ edges: [28, 28], classes: 2, columns: 14 })));
    expect(multi.labelSpaces[0]).toMatchObject({ kind: 'multi-label' });
    expect((await all(multi))[0]!.labels.chestmnist).toHaveLength(14);
  });

  it('numbers the classes of an unknown set and takes modality and body part from the options', async () => {
    const source = await open('My set.npz', pack(archive({ edges: [9, 7], classes: 4 })), {
      modality: 'ct',
      bodyPart: 'hip',
    });
    expect(source.labelSpaces).toEqual([
      { task: 'my-set', kind: 'multi-class', classes: ['0', '1', '2', '3'] },
    ]);
    expect((await all(source))[0]).toMatchObject({ modality: 'ct', bodyPart: 'hip', shape: [9, 7, 1] });
  });

  describe('which claims to be a published set', () => {
    const strict = { allowMd5Mismatch: false };
    const refusal = (file: string, bytes: Buffer) => open(file, bytes, strict).catch((error) => error);

    it('is refused by its checksum, expected and found, and accepted as own data where that is allowed', async () => {
      const bytes = pack(archive({ edges: [28, 28], classes: 2 }));
      const error = await refusal('pneumoniamnist.npz', bytes);

      const found = createHash('md5').update(bytes).digest('hex');
      expect(error).toMatchObject({ code: 'FAILED_PRECONDITION' });
      expect(error.message).toContain(
        `expected MD5 28209eda62fecd6e6a2d98b1501bb15f of pneumoniamnist.npz, found MD5 ${found}`,
      );
      const own = await open('pneumoniamnist.npz', bytes);
      expect(own.deidentification.notes[0]).toMatch(/not the file that MedMNIST publishes/);
    });

    it('names the release that an outdated file is of', () => {
      const outdated = '866b832ed4eeba67bfb9edee1d5544e6';
      const claimed = medmnistSetOf('organamnist.npz');
      const refuse = (claim: typeof claimed) => () =>
        refuseOtherMd5({ md5: outdated, claimed: claim, byMd5: undefined }, 'organs.npz');

      expect(refuse(claimed)).toThrow(
        /expected MD5 68e3f8846a6bd62f0c9bf841c0d9eacc of organamnist\.npz, found MD5 866b.*organamnist of medmnist 2\.0\.1 to 2\.2\.3/,
      );
      expect(refuse(undefined)).toThrow(/organs\.npz: expected the file of the newest release/);
    });

    it('is known by its checksum under any name, but not under the name of another', () => {
      const byMd5 = medmnistSetByMd5('a8b06965200029087d5bd730944a56c1');
      const identity = { md5: 'a8b06965200029087d5bd730944a56c1', byMd5 };

      expect(byMd5).toMatchObject({ name: 'pathmnist', size: '28' });
      expect(() => refuseOtherMd5({ ...identity, claimed: undefined }, 'mine.npz')).not.toThrow();
      const claimed = medmnistSetOf('pathmnist_64.npz');
      expect(() => refuseOtherMd5({ ...identity, claimed }, 'pathmnist_64.npz')).toThrow(
        /which is pathmnist\.npz/,
      );
    });

    it('has every set with a checksum per size, and no checksum twice', () => {
      const sets = Object.values(MEDMNIST_SETS);
      expect(sets.map(({ dimensions }) => dimensions).sort()).toEqual([...fill(2, 12), ...fill(3, 6)]);
      const sums = sets.flatMap(({ md5, formerMd5 }) => [...Object.values(md5), ...Object.keys(formerMd5)]);
      expect(sums).toHaveLength(12 * 4 + 6 * 2 + 6);
      expect(new Set(sums).size).toBe(sums.length);
    });
  });

  const grey = () => archive({ edges: [28, 28], classes: 2 });
  const changed = (name: string, part: Partial<NpyPart>) => () => {
    const members = grey();
    members[name] = { ...members[name]!, ...part };
    return pack(members);
  };
  it.each<[what: string, file: string, bytes: () => Buffer, says: RegExp]>([
    [
      'a truncated archive',
      'a.npz',
      () => pack(grey()).subarray(0, 900),
      /a\.npz: zip end record: expected .*, found no directory/,
    ],
    [
      'an archive cut in the middle, directory kept',
      'a.npz',
      () => cutMiddle(pack(grey())),
      /a\.npz: .*expected .*, found/,
    ],
    ['an empty file', 'a.npz', () => Buffer.alloc(0), /a\.npz: zip end record/],
    [
      'float images',
      'a.npz',
      changed('train_images', { descr: '<f4', shape: [5, 14, 14] }),
      /train_images: expected dtype uint8, found dtype f4/,
    ],
    [
      'object arrays',
      'a.npz',
      changed('train_labels', { descr: '|O' }),
      /train_labels\.npy: expected a numeric dtype, found dtype '\|O'.*pickles/,
    ],
    [
      'float labels',
      'a.npz',
      changed('val_labels', { descr: '<f4', data: new Float32Array([0.5, 0, 1]) }),
      /val_labels: expected labels from 0 to 1, found 0.5 in row 0/,
    ],
    [
      'a label out of range',
      'pneumoniamnist.npz',
      changed('test_labels', { data: new Uint8Array([0, 2]) }),
      /test_labels: expected labels from 0 to 1, found 2 in row 1/,
    ],
    [
      'a class that training lacks',
      'a.npz',
      changed('test_labels', { data: new Uint8Array([0, 7]) }),
      /test_labels: expected labels from 0 to 1, found 7/,
    ],
    [
      'an empty split',
      'a.npz',
      changed('val_images', { shape: [0, 28, 28], data: new Uint8Array(0) }),
      /val_images: expected at least one image, found shape \(0, 28, 28\)/,
    ],
    [
      'fewer labels than images',
      'a.npz',
      changed('test_labels', { shape: [1, 1], data: new Uint8Array(1) }),
      /test_labels: expected 2 rows, one an image, found 1/,
    ],
    [
      'four axes where three are due',
      'pneumoniamnist.npz',
      () => pack(archive({ edges: [28, 28, 28], classes: 2 })),
      /train_images: expected \(n, h, w\) for pneumoniamnist, found \(5, 28, 28, 28\)/,
    ],
    [
      'three axes where four are due',
      'nodulemnist3d.npz',
      () => pack(grey()),
      /train_images: expected \(n, d, h, w\) for nodulemnist3d/,
    ],
    [
      'five axes',
      'a.npz',
      () => pack(archive({ edges: [4, 4, 4, 4], classes: 2 })),
      /train_images: expected \(n, h, w\), .*found \(5, 4, 4, 4, 4\)/,
    ],
    [
      'splits of different sizes',
      'a.npz',
      changed('val_images', { shape: [3, 14, 56] }),
      /val_images: expected images of \(28, 28\) as in train, found \(14, 56\)/,
    ],
    [
      'a missing array',
      'a.npz',
      () => without('test_labels'),
      /test_labels: expected the array test_labels\.npy/,
    ],
    [
      'another member than an array',
      'a.npz',
      () => withBytes('val_labels', Buffer.from('not an array')),
      /val_labels\.npy: expected the numpy array format/,
    ],
    [
      'a header that promises 10 GB',
      'a.npz',
      changed('train_images', { shape: [12_800_000, 28, 28] }),
      /train_images\.npy: expected 10035200000 bytes for shape .*, found 3920 bytes/,
    ],
    [
      'a bomb',
      'a.npz',
      () => withBytes('train_images', Buffer.alloc(80_000_000)),
      /train_images\.npy: expected at most .* bytes from .*, found 80000000 declared/,
    ],
    [
      'an archive above the limit',
      'a.npz',
      () => withBytes('train_images', noise(1_100_000)),
      /expected at most 1000000 bytes in all/,
    ],
    [
      'an entry that inflates to more than it declares',
      'a.npz',
      () => patchDirectory(pack(grey()), 'train_images.npy', 24, 100),
      /train_images\.npy: expected .*, found/,
    ],
    [
      'a wrong checksum',
      'a.npz',
      () => patchDirectory(pack(grey()), 'val_labels.npy', 16, 1),
      /val_labels\.npy: expected CRC-32 00000001, found/,
    ],
    [
      'an encrypted entry',
      'a.npz',
      () => patchDirectory(pack(grey()), 'val_labels.npy', 8, 1),
      /found an encrypted entry/,
    ],
  ])('refuses %s by file, field, expected and found', async (_, file, bytes, says) => {
    const reading = async () => all(await open(file, bytes()));
    await expect(reading()).rejects.toThrow(says);
    await expect(reading()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('refuses an archive among other images, where an archive is one image', async () => {
    const files = { 'a.npz': pack(grey()), ...(await pictures(2)) };
    await expect(readSource(files)).rejects.toThrow(/a\.npz: entries: expected one array an image, found 6/);
  });
});

const OPTIONS: SourceOptions = {
  splitSeed: 0,
  fractions: { train: 0.6, val: 0.15, test: 0.25 },
  skipBadFiles: false,
  synthetic: false,
  pseudonymKey: 'a key for the spec',
  maxArchiveBytes: 1_000_000,
  // The archives of this spec are made here.
  allowMd5Mismatch: true,
};

async function open(file: string, bytes: Buffer, options: Partial<SourceOptions> = {}): Promise<ImageSource> {
  await writeFile(join(folder, file), bytes);
  const announced = { path: file, bytes: bytes.length, sha256: sha256(bytes) };
  const limit = file.includes('3d') || bytes.length > 100_000 ? { maxArchiveBytes: 1e9 } : {};
  const strict = bytes.length > 1_000_000 ? {} : limit;
  return openSource(folder, [announced], { ...OPTIONS, ...strict, ...options }, () => {});
}

async function all(source: ImageSource): Promise<SourceImage[]> {
  const images: SourceImage[] = [];
  for await (const image of source.images()) images.push(image);
  return images;
}

function archive({ edges, classes, columns = 1 }: { edges: number[]; classes: number; columns?: number }) {
  const members: Record<string, NpyPart> = {};
  const pixels = edges.reduce((product, edge) => product * edge, 1);
  for (const [split, count] of Object.entries({ train: 5, val: 3, test: 2 })) {
    const images = Uint8Array.from({ length: count * pixels }, (_, index) => (index * 31) % 251);
    const labels = Uint8Array.from(
      { length: count * columns },
      (_, index) => index % Math.min(classes, count),
    );
    if (split !== 'train') labels.fill(0);
    members[`${split}_images`] = { descr: '|u1', shape: [count, ...edges], data: images };
    members[`${split}_labels`] = { descr: '|u1', shape: [count, columns], data: labels };
  }
  return members;
}

function pack(members: Record<string, NpyPart>): Buffer {
  return encodeZip(
    Object.fromEntries(Object.entries(members).map(([name, part]) => [`${name}.npy`, encodeNpy(part)])),
  );
}

function without(name: string): Buffer {
  const { [name]: _, ...members } = archive({ edges: [28, 28], classes: 2 });
  return pack(members);
}

function withBytes(name: string, bytes: Uint8Array): Buffer {
  const members = Object.entries(archive({ edges: [28, 28], classes: 2 }));
  return encodeZip(
    Object.fromEntries(members.map(([key, part]) => [`${key}.npy`, key === name ? bytes : encodeNpy(part)])),
  );
}

/** Overwrites a field of an entry in the zip directory: 8 flags, 16 CRC-32, 24 size. */
function patchDirectory(zip: Buffer, name: string, field: 8 | 16 | 24, value: number): Buffer {
  const entry = zip.lastIndexOf(name) - 46;
  if (field === 8) zip.writeUInt16LE(value, entry + field);
  else zip.writeUInt32LE(value, entry + field);
  return zip;
}

function cutMiddle(zip: Buffer): Buffer {
  return Buffer.concat([zip.subarray(0, 200), zip.subarray(400)]);
}

function noise(length: number): Uint8Array {
  const rng = Rng.of('noise');
  return Uint8Array.from({ length }, () => rng.integer(256));
}

function fill<Value>(value: Value, count: number): Value[] {
  return new Array<Value>(count).fill(value);
}
