import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getRecord, openObjectStore } from '@medformer/object-store';
import { DatasetManifest, DeidentificationAudit, sha256 } from '@medformer/schema';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformer, medformerJson } from './harness/medformer.js';
import { everyFile, plantedDicom, plantedValues, searcher } from './harness/planted.js';
import { type Services, startStandalone } from './harness/services.js';

/** Planted in the names of folders and files and in the text of other formats. */
const NAME = 'Wexlqvist-Okonkwo';
const TEXT = 'Born Qvstzhk 1931';

let folder: string;
let originals: string;
let data: string;
let services: Services;
let search: (bytes: Buffer) => string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medformer-deidentification-'));
  originals = join(folder, 'originals');
  data = join(folder, 'data');
  const patient = join(originals, `${NAME} 1931`);
  await mkdir(patient, { recursive: true });
  await writeFile(join(patient, `${NAME}.dcm`), await plantedDicom('explicit-le'));
  await writeFile(join(patient, `${NAME}.nii`), nifti());
  await writeFile(join(patient, `${NAME}.png`), await png());
  await writeFile(join(patient, `${NAME}.jpg`), await jpeg());
  await writeFile(join(patient, `${NAME} report.doc`), `${NAME} ${TEXT}`);
  const values = await plantedValues();
  expect(values.length).toBeGreaterThan(2000);
  search = searcher([
    ...values,
    { keyword: 'name of a file', value: Buffer.from(NAME) },
    { keyword: 'text of an image', value: Buffer.from(TEXT) },
  ]);
  services = await startStandalone(data, { 'log-level': 'debug' });
});

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('originals with a planted value wherever one can stand', () => {
  it('hold what is looked for: the search finds it in them', async () => {
    const found = new Set<string>();
    for await (const { path, bytes } of everyFile(originals)) {
      for (const what of search(Buffer.concat([Buffer.from(path), bytes]))) found.add(what);
    }
    expect(found.size).toBeGreaterThan(500);
    expect(found).toContain('name of a file');
    expect(found).toContain('text of an image');
  });

  it('leave a machine by medformer deidentify and medformer ingest without any of them', async () => {
    const clean = join(folder, 'clean');
    const key = join(folder, 'site.key');
    const argv = ['deidentify', originals, clean, '--key-file', key];
    const refused = await medformer(services.env, ...argv);
    expect(refused.code).toBe(13);
    expect(refused.stderr).toMatch(/report\.doc: format: expected DICOM, NIfTI, PNG, JPEG or TIFF/);
    await rm(clean, { recursive: true });
    const outcome = await medformerJson(services.env, ...argv, '--skip-bad-files');
    expect(outcome).toMatchObject({ files: 4, refused: [{}] });

    const ingested = await medformer(
      services.env,
      '--json',
      'ingest',
      clean,
      '--name',
      'clean',
      '--modality',
      'xray',
    );
    expect(ingested.code).toBe(0);
    const shown = await medformer(services.env, 'datasets', 'show', 'clean');
    const page = join(folder, 'report.html');
    const report = await medformer(services.env, 'datasets', 'report', 'clean', '--out', page);
    expect(report.code).toBe(0);
    const said = [ingested, shown, report].map(({ stdout, stderr }) => stdout + stderr).join('\n');
    expect(await foundIn({ said, paths: [outcome.auditFile, page, join(data, 'store')] })).toEqual([]);
    expect(await foundIn({ said: '', paths: [clean], dates: false })).toEqual([]);
  });

  it('are cleaned by ingestion too: nothing of them in store, log, metrics and refusals', async () => {
    const argv = ['ingest', originals, '--name', 'raw', '--modality', 'xray'];
    const refused = await medformer(services.env, ...argv);
    expect(refused.code).toBe(13);
    const outcome = await medformerJson(services.env, ...argv, '--skip-bad-files');
    expect(outcome).toMatchObject({ images: 4 });
    // A refusal names the file to whoever sent it, and nobody else.
    const reasons = outcome.refused.map(({ path, reason }: { path: string; reason: string }) =>
      reason.replace(path, ''),
    );
    const metrics = await Promise.all(
      services.metricsUrls.map(async (url) => (await fetch(`${url}/metrics`)).text()),
    );
    expect(metrics.join('')).toContain('medformer_');
    const paths = [join(data, 'store'), join(data, 'standalone.log')];
    expect(await foundIn({ said: [...reasons, ...metrics].join('\n'), paths })).toEqual([]);
    expect(await readFile(join(data, 'standalone.log'), 'utf8')).toContain('input refused at format');
  });

  it('are told of in the manifest: profile, options, edition, and what was done to each file', async () => {
    const { record } = await medformerJson(services.env, 'datasets', 'show', 'raw');
    const { deidentification } = DatasetManifest.parse(record);
    expect(deidentification).toMatchObject({
      profile: 'ps3.15-basic-v1',
      tableEdition: '2026d',
      options: ['retain-patient-characteristics', 'retain-longitudinal-modified-dates', 'clean-descriptors'],
    });
    const store = await openObjectStore({ url: pathToFileURL(join(data, 'store')).href });
    const [address] = deidentification.audits!;
    const audit = await getRecord(store, DeidentificationAudit, address!, 'audit');
    expect(audit.files).toHaveLength(1);
    expect(audit.outcomes[0]!.actions.PatientName).toMatchObject({ D: expect.any(Number) });
    expect(JSON.stringify(audit)).not.toContain(sha256(await plantedDicom('explicit-le')));
  });
});

async function foundIn({ said, paths, dates = true }: { said: string; paths: string[]; dates?: boolean }) {
  const found = search(Buffer.from(said)).map((what) => `said: ${what}`);
  // A date that moved may be the one that another attribute had.
  const ignored = dates ? /^$/ : /Date|^unknown$/;
  for (const path of paths) {
    for await (const file of everyFile(path)) {
      const whats = search(Buffer.concat([Buffer.from(file.path.replace(folder, '')), file.bytes]));
      found.push(...whats.filter((what) => !ignored.test(what)).map((what) => `${file.path}: ${what}`));
    }
  }
  return found;
}

function nifti(): Buffer {
  const bytes = Buffer.alloc(352 + 64, 5);
  bytes.fill(0, 0, 352);
  bytes.writeInt32LE(348, 0);
  for (const [axis, edge] of [3, 4, 4, 4].entries()) bytes.writeInt16LE(edge, 40 + 2 * axis);
  bytes.writeInt16LE(2, 70);
  bytes.writeInt16LE(8, 72);
  for (const at of [76, 80, 84, 88, 108]) bytes.writeFloatLE(at === 108 ? 352 : 1, at);
  bytes.write(TEXT, 148);
  bytes.write(TEXT, 228);
  bytes.write('n+1\0', 344, 'latin1');
  for (let voxel = 0; voxel < 64; voxel += 1) bytes[352 + voxel] = voxel;
  return bytes;
}

function picture(): Sharp {
  return sharp(Buffer.from(Array.from({ length: 256 }, (_, index) => index)), {
    raw: { width: 16, height: 16, channels: 1 },
  });
}

async function png(): Promise<Buffer> {
  return picture()
    .withExif({ IFD0: { Artist: TEXT } })
    .png()
    .toBuffer();
}

async function jpeg(): Promise<Buffer> {
  return picture()
    .rotate(90)
    .withExif({ IFD0: { Artist: TEXT, ImageDescription: NAME } })
    .jpeg()
    .toBuffer();
}
