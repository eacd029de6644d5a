import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeNifti } from '../encode-nifti.js';
import { encodeNpy, encodeZip } from '../npz/encode-npz.js';
import { type Files, readSource } from '../spec/sources.js';

const GOLDEN = new URL('../../golden/nifti/', import.meta.url);

describe('openSource on a BIDS data set', () => {
  const bids = (): Files => ({
    'dataset_description.json': '{"Name":"x","BIDSVersion":"1.10.0"}',
    'participants.tsv':
      'participant_id\tage\tsex\tgroup\nsub-01\t34\tF\tcontrol\nsub-02\t51\tM\tpatient\nsub-03\tn/a\tM\tn/a\n',
    'sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz': volume(1),
    'sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz': volume(2),
    'sub-02/anat/sub-02_T1w.nii.gz': volume(3),
    'sub-02/anat/sub-02_T1w.json': '{}',
    'sub-03/pet/sub-03_pet.nii.gz': volume(4),
    'sub-02/dwi/sub-02_dwi.bval': '0 1000',
    'derivatives/x/sub-01/anat/sub-01_mask.nii.gz': volume(5),
  });

  it('takes subjects and modalities of the folders and word-like columns of participants as tasks', async () => {
    const { images, source } = await readSource(bids());
    expect(source.labelSpaces).toEqual([
      { task: 'sex', kind: 'binary', classes: ['F', 'M'] },
      { task: 'group', kind: 'binary', classes: ['control', 'patient'] },
    ]);
    expect(images.map(({ modality, labels }) => [modality, labels])).toEqual([
      ['mri', { sex: 0, group: 0 }],
      ['mri', { sex: 0, group: 0 }],
      ['mri', { sex: 1, group: 1 }],
      ['pet', { sex: 1 }],
    ]);
    expect(images[0]!.subject).toBe(images[1]!.subject);
    expect(images[0]!.split).toBe(images[1]!.split);
    expect(new Set(images.map(({ subject }) => subject)).size).toBe(3);
    expect(JSON.stringify(images.map(({ pixels: _, ...record }) => record))).not.toMatch(/sub-/);
  });

  it('refuses participants twice there, by line', async () => {
    const files = { ...bids(), 'participants.tsv': 'participant_id\tsex\nsub-01\tF\nsub-01\tM\n' };
    await expect(readSource(files)).rejects.toThrow(
      /participants\.tsv: line 3: expected every participant once, found one again/,
    );
  });
});

describe('openSource on a folder of', () => {
  it('NIfTI pairs and 4-D images: a pair is one image, each volume of a series is one of the same subject', async () => {
    const golden = (name: string) => readFile(new URL(name, GOLDEN));
    const { images, source } = await readSource({
      'pair.hdr': await golden('pair-le-1.hdr'),
      'pair.img': await golden('pair-le-1.img'),
      'four.nii': await golden('four-dimensions.nii'),
      'plain.nii': await golden('i2-le-1.nii'),
    });
    expect(source.total).toBe(5);
    expect(images).toHaveLength(5);
    expect(new Set(images.map(({ id }) => id)).size).toBe(5);
    expect(new Set(images.slice(0, 3).map(({ subject }) => subject)).size).toBe(1);
    await expect(
      readSource({ 'pair.hdr': await golden('pair-le-1.hdr'), 'plain.nii': await golden('i2-le-1.nii') }),
    ).rejects.toThrow(/pair\.hdr: voxels: expected pair\.img beside it, found none/);
  });

  it('numpy arrays, .npy or .npz of one, and TIFF of 8 and 16 bits', async () => {
    const npy = (seed: number, shape: number[]) =>
      encodeNpy({
        descr: '<i2',
        shape,
        data: Int16Array.from({ length: shape.reduce((x, y) => x * y) }, (_, i) => i * seed),
      });
    const raw = { raw: { width: 4, height: 3, channels: 1 as const } };
    const deep = Uint16Array.from({ length: 12 }, (_, index) => 5000 * index);
    const tiff16 = await sharp(deep, raw).toColourspace('grey16').tiff({ compression: 'lzw' }).toBuffer();
    const tiff8 = await sharp(
      Uint8Array.from(deep, (value) => value >> 8),
      raw,
    )
      .toColourspace('b-w')
      .tiff({ compression: 'lzw' })
      .toBuffer();
    const { images } = await readSource({
      'a.npy': npy(1, [3, 4]),
      'b.npz': encodeZip({ 'image.npy': npy(2, [2, 3, 4]) }),
      'c.tif': tiff16,
      'd.tiff': tiff8,
      'labels.csv': 'file,side\na.npy,left\nb.npz,right\nc.tif,left\nd.tiff,right\n',
    });
    expect(images.map(({ shape }) => shape)).toEqual([
      [3, 4, 1],
      [2, 3, 4, 1],
      [3, 4, 1],
      [3, 4, 1],
    ]);
    expect(images[2]!.pixels).toEqual(deep);
    expect(images[0]!.normalisation).toEqual([
      { step: 'scale', low: expect.any(Number), high: expect.any(Number) },
    ]);
    expect(images[2]!.normalisation).toBeUndefined();
  });

  it('files that no ending names, by their first bytes', async () => {
    const png = await sharp(Uint8Array.from({ length: 12 }), {
      raw: { width: 4, height: 3, channels: 1 },
    })
      .png()
      .toBuffer();
    const dicom = await readFile(new URL('../../golden/implicit.dcm', import.meta.url));
    const { images } = await readSource({
      picture: png,
      '1.2.840.113619.77': dicom,
      volume: await readFile(new URL('i2-le-1.nii', GOLDEN)),
    });
    expect(images.map(({ shape }) => shape.length)).toEqual([3, 3, 4]);
    await expect(readSource({ 'x.123': 'text', picture: png })).rejects.toThrow(
      /x\.123: format: expected .*, found \.123/,
    );
  });
});

function volume(seed: number): Uint8Array {
  const pixels = Uint8Array.from({ length: 24 }, (_, index) => (index * seed) % 256);
  return encodeNifti(pixels, [2, 3, 4], [1, 1, 1], '');
}
