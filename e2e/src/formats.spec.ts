import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatasetManifest } from '@medformer/schema';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { type Services, startStandalone } from './harness/services.js';

const SAMPLES = fileURLToPath(new URL('../../.cache/format-samples', import.meta.url));

/** Real files of several transfer syntaxes, each of a series of its own. */
const DICOM = ['CT_small.dcm', 'MR_small_RLE.dcm', '693_J2KI.dcm'];

describe('the command line ingests', () => {
  let folder: string;
  let services: Services;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-formats-'));
    services = await startStandalone(join(folder, 'data'));
  });

  afterAll(async () => {
    await services?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ingest = (path: string, name: string, ...more: string[]) =>
    medformerJson(services.env, 'ingest', path, '--name', name, ...more);

  it('DICOM of many transfer syntaxes and NIfTI of both byte orders, from a folder or its archive alike', async () => {
    const real = join(folder, 'real');
    await mkdir(real);
    for (const name of DICOM) await cp(join(SAMPLES, 'pydicom', name), join(real, name));
    await cp(join(SAMPLES, 'nibabel/anatomical.nii'), join(real, 'anatomical.nii'));
    await cp(join(SAMPLES, 'nibabel/example_nifti2.nii.gz'), join(real, 'series.nii.gz'));
    // Two volumes along the fourth axis of the last.
    const plain = await ingest(real, 'plain', '--modality', 'mri', '--body-part', 'head');
    expect(plain.images).toBe(DICOM.length + 1 + 2);
    const archive = join(folder, 'real.tar.gz');
    await execa('tar', ['-czf', archive, '-C', real, '.']);
    const packed = await ingest(archive, 'packed', '--modality', 'mri', '--body-part', 'head');
    expect(packed.images).toBe(plain.images);
  });

  it('with the rule and the spacing asked for, which the manifest records, and refuses what is no rule', async () => {
    const slices = join(folder, 'slices');
    await mkdir(slices);
    for (const name of ['CT_small.dcm', 'MR_small_RLE.dcm']) {
      await cp(join(SAMPLES, 'pydicom', name), join(slices, name));
    }
    await ingest(slices, 'resampled', '--normalise', 'mri=z-score:-3:3', '--resample', '2x2');
    const { record } = (await medformerJson(services.env, 'datasets', 'show', 'resampled')) as {
      record: DatasetManifest;
    };
    expect(record.normalisation).toMatchObject({
      ct: { rule: 'hu-window' },
      mri: { rule: 'z-score', low: -3, high: 3 },
    });
    expect(record.resampling).toEqual({ to: 'spacing', values: [2, 2] });
    // 128 x 128 pixels of 0.661468 mm, and 64 x 64 of 0.3125 mm.
    expect(record.census.shapes.map(({ shape }) => shape)).toEqual(
      expect.arrayContaining([
        [42, 42, 1],
        [10, 10, 1],
      ]),
    );
    const refused = await medformer(
      services.env,
      ...['ingest', slices, '--name', 'refused-rule', '--normalise', 'mri=median:0:1'],
    );
    expect(refused.code).toBe(13);
    expect(refused.stderr).toMatch(/options\.normalisation\.mri: expected hu-window, .*found median/);
  });

  it('the slices of the series that a DICOMDIR names, leaving out what is no image', async () => {
    const disk = join(folder, 'disk');
    await cp(join(SAMPLES, 'pydicom/dicomdirtests'), disk, { recursive: true });
    for (const other of [
      'DICOMDIR-bigEnd',
      'DICOMDIR-empty.dcm',
      'DICOMDIR-implicit',
      'DICOMDIR-nooffset',
      'DICOMDIR-nopatient',
      'DICOMDIR-reordered',
    ])
      await rm(join(disk, other), { force: true });
    const taken = await ingest(disk, 'disk', '--skip-bad-files', '--body-part', 'head');
    expect(taken.images).toBeGreaterThan(3);
  });

  it('good files beside bad ones, and refuses the whole where that is not asked for', async () => {
    const mixed = join(folder, 'mixed');
    await mkdir(mixed);
    for (const name of DICOM) await cp(join(SAMPLES, 'pydicom', name), join(mixed, name));
    const jpeg = await readFile(join(SAMPLES, 'pydicom/MR_small_RLE.dcm'));
    await writeFile(join(mixed, 'cut.dcm'), jpeg.subarray(0, jpeg.length / 2));
    const refused = await medformer(
      services.env,
      'ingest',
      mixed,
      '--name',
      'refused',
      '--body-part',
      'head',
    );
    expect(refused.code).toBe(13);
    expect(refused.stderr).toMatch(/cut\.dcm: .*expected .*, found/);
    const taken = await ingest(mixed, 'mixed', '--skip-bad-files', '--body-part', 'head');
    expect(taken.images).toBe(DICOM.length);
  });
});
