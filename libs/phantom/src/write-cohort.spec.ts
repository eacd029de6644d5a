import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sha256 } from '@medformer/schema';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEMO_COHORT, GROUP_COHORT, generateCohort, generatePatient, REGIONS, writeCohort } from './index.js';

const spec = { seed: 11, patients: 3, volumePatients: 1 };
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'phantom-'));
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function contents(directory: string): Promise<Record<string, string>> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const entries = files
    .filter((file) => file.isFile())
    .map(async (file) => {
      const path = join(file.parentPath, file.name);
      return [path.slice(directory.length), sha256(await readFile(path))] as const;
    });
  return Object.fromEntries((await Promise.all(entries)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe('generateCohort', () => {
  it('hands over whole patients in order, the same with one thread as with three', async () => {
    const runs = [1, 3].map(async (threads) => {
      const seen: string[] = [];
      await generateCohort(
        spec,
        (scans, patient) => {
          expect(scans[0]!.subject).toBe(`phantom-000${patient + 1}`);
          seen.push(...scans.map(({ voxels }) => sha256(new Uint8Array(voxels.buffer))));
        },
        { threads },
      );
      return seen;
    });
    const [one, three] = await Promise.all(runs);
    expect(three).toEqual(one);
    expect(one!.length).toBe(spec.patients * 10 + spec.volumePatients * 10);
    expect(one!.slice(20, 30)).toEqual(
      generatePatient(spec.seed, 1, { volumes: false }).map(({ voxels }) =>
        sha256(new Uint8Array(voxels.buffer)),
      ),
    );
  });

  it('stops when the signal aborts', async () => {
    const abort = new AbortController();
    let patients = 0;
    const run = generateCohort(
      { ...spec, patients: 1000 },
      () => {
        patients += 1;
        abort.abort();
      },
      { signal: abort.signal },
    );
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(patients).toBe(1);
  });

  it('refuses counts that make no cohort, naming the field', async () => {
    const run = (change: object) => generateCohort({ ...spec, ...change }, () => {});
    await expect(run({ patients: 0 })).rejects.toThrow(/patients: expected 1 to 9999, found 0/);
    await expect(run({ volumePatients: 4 })).rejects.toThrow(/volumePatients: expected 0 to 3, found 4/);
    await expect(run({ seed: 0.5 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('has a demo cohort of at least 2,000 images and 300 volumes', () => {
    expect(DEMO_COHORT.patients * REGIONS.length).toBeGreaterThanOrEqual(2000);
    expect(DEMO_COHORT.volumePatients * REGIONS.length).toBeGreaterThanOrEqual(300);
  });
});

describe('writeCohort', () => {
  it('writes one file and one labels row per scan, and says that it is synthetic', async () => {
    const progress: number[] = [];
    const written = await writeCohort(join(root, 'cohort'), spec, {
      onProgress: ({ patients }) => progress.push(patients),
    });
    expect(written).toMatchObject({ files: 40, reused: false });
    expect(progress).toEqual([1, 2, 3]);
    const table = await readFile(join(root, 'cohort/labels.csv'), 'utf8');
    const [header, ...rows] = table.trim().split('\n');
    expect(header).toBe('file,subject,modality,body_part,region,lesion');
    expect(rows.length).toBe(40);
    const named = rows.map((row) => `/${row.split(',')[0]}`).sort();
    const files = Object.keys(await contents(join(root, 'cohort'))).filter((file) => /png|nii/.test(file));
    expect(files).toEqual(named);
    expect(await readFile(join(root, 'cohort/README.txt'), 'utf8')).toMatch(/SYNTHETIC PHANTOM/);
  });

  it('writes pixels and voxels that read back unchanged', async () => {
    await writeCohort(join(root, 'cohort'), spec);
    const [image, ...rest] = generatePatient(spec.seed, 0, { volumes: true });
    const volume = rest.at(-1)!;
    const path = ({ labels, modality, protocol }: typeof volume, extension: string) =>
      join(root, 'cohort/phantom-0001', `${labels.region}_${modality}-${protocol}.${extension}`);
    const png = sharp(path(image!, 'png')).toColourspace('b-w');
    expect(await png.metadata()).toMatchObject({ width: 28, height: 28, channels: 1, depth: 'uchar' });
    expect(new Uint8Array(await png.raw().toBuffer())).toEqual(image!.voxels);
    const nifti = gunzipSync(await readFile(path(volume, 'nii.gz')));
    expect(nifti.readInt32LE(0)).toBe(348);
    expect([0, 1, 2, 3].map((i) => nifti.readInt16LE(40 + 2 * i))).toEqual([3, 28, 28, 28]);
    expect(nifti.readFloatLE(80)).toBeCloseTo(volume.spacingMm[2]!, 4);
    expect(nifti.readFloatLE(88)).toBeCloseTo(volume.spacingMm[0]!, 4);
    const voxels = Int16Array.from({ length: 28 ** 3 }, (_, i) => nifti.readInt16LE(352 + 2 * i));
    expect(voxels).toEqual(volume.voxels);
  });

  it('writes the same bytes twice', async () => {
    await writeCohort(join(root, 'one'), spec, { threads: 1 });
    await writeCohort(join(root, 'two'), spec, { threads: 2 });
    expect(await contents(join(root, 'two'))).toEqual(await contents(join(root, 'one')));
  });

  it('reuses a finished directory and refuses one that holds another cohort', async () => {
    const directory = join(root, 'cohort');
    await writeCohort(directory, spec);
    const before = await contents(directory);
    expect(await writeCohort(directory, spec)).toEqual({ directory, files: 40, reused: true });
    await expect(writeCohort(directory, { ...spec, seed: 12 })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    expect(await contents(directory)).toEqual(before);
  });

  it('refuses a folder of other images', async () => {
    await writeFile(join(root, 'labels.csv'), 'file\n');
    await expect(writeCohort(root, spec)).rejects.toThrow(/another folder of images/);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const abort = new AbortController();
    const run = writeCohort(join(root, 'cohort'), spec, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await readdir(root)).toEqual([]);
  });

  it('writes a cohort of groups with its split, and no task that has one class', async () => {
    const groups = { ...GROUP_COHORT, groups: 3, perGroup: { train: 2, val: 1, test: 1 } };
    const written = await writeCohort(join(root, 'groups'), groups);
    expect(written.files).toBe(12);
    const [header, ...rows] = (await readFile(join(root, 'groups/labels.csv'), 'utf8')).trim().split('\n');
    expect(header).toBe('file,subject,modality,body_part,split,lesion,group');
    expect(rows[0]).toMatch(/^phantom-0001\/ventricles_mri-t1\.png,phantom-0001,mri,head,train,\w+,group-1$/);
    expect(await readFile(join(root, 'groups/README.txt'), 'utf8')).toMatch(
      /3 groups of 2 patients to train on/,
    );
    expect(await writeCohort(join(root, 'groups'), groups)).toMatchObject({ files: 12, reused: true });
    await expect(writeCohort(join(root, 'groups'), spec)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('names the demo cohort as ever, so that what is there is found again', async () => {
    await writeCohort(join(root, 'cohort'), { seed: 11, patients: 1, volumePatients: 0 });
    const identity = await readFile(join(root, 'cohort/cohort.json'), 'utf8');
    expect(JSON.parse(identity)).toEqual({
      kind: 'medformer-phantom',
      version: 3,
      seed: 11,
      patients: 1,
      volumePatients: 0,
    });
    const first = generatePatient(11, 0, { volumes: false }).map(({ voxels }) => sha256(Buffer.from(voxels)));
    expect(sha256(first.join())).toBe('f8e3f6c2a30ba40b16e0444e82b3b19f025238411abbe6cfd2d495a5d6651fed');
  });
});
