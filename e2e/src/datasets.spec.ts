import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobKey, type ObjectStore, openS3Store } from '@medformer/object-store';
import { type S3Server, startMinio } from '@medformer/object-store/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenPage, openPage, pictureWidths } from './harness/browser.js';
import { medformer, medformerJson } from './harness/medformer.js';
import { ROOT, type Services, startStandalone } from './harness/services.js';

const REAL = join(ROOT, 'e2e/fixtures/real-images');
const HOSTILE = '<img src=x onerror=document.title=1>';

/** A user's way with data sets in a bucket, from the command line. */
describe('data sets in a bucket', { timeout: 300_000 }, () => {
  let folder: string;
  let scans: string;
  let minio: S3Server;
  let store: ObjectStore;
  let services: Services;
  let env: Record<string, string>;
  let first: string;
  let second: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-datasets-'));
    minio = await startMinio();
    store = openS3Store(minio.options);
    const { bucket, endpoint, accessKey, secretKey } = minio.options;
    services = await startStandalone(join(folder, 'data'), {
      store: `s3://${bucket}?endpoint=${endpoint}`,
      'store-access-key': accessKey,
      'store-secret-key': secretKey,
    });
    env = services.env;
    scans = join(folder, 'scans');
    await writeScans(scans);
  });

  afterAll(async () => {
    await services?.stop();
    await minio?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are ingested, listed and shown with their census', async () => {
    const ingested = await medformerJson(env, 'ingest', scans, '--name', 'scans', '--description', HOSTILE);
    expect(ingested).toMatchObject({ images: 13, subjects: 7, alreadyPresent: false });
    first = ingested.manifest;
    expect(await medformerJson(env, 'datasets', 'ls')).toMatchObject([{ name: 'scans', manifest: first }]);
    const { code, stdout } = await medformer(env, 'datasets', 'show', 'scans');
    expect(code).toBe(0);
    expect(stdout).toMatch(/task finding +binary: <img.*> train \d val \d test \d, clear train \d val \d/);
    expect(stdout).toMatch(/split +by-subject, seed 0/);
    const again = await medformerJson(env, 'ingest', scans, '--name', 'scans', '--description', HOSTILE);
    expect(again).toMatchObject({ manifest: first, alreadyPresent: true });
  });

  it('differ by what came, went and changed', async () => {
    await rm(join(scans, 'p0-0.png'));
    const table = await readFile(join(scans, 'labels.csv'), 'utf8');
    await writeFile(join(scans, 'labels.csv'), table.replace(/p0-0\.png.*\n/, ''));
    ({ manifest: second } = await medformerJson(env, 'ingest', scans, '--name', 'scans'));
    const difference = await medformerJson(env, 'datasets', 'diff', first, second);
    expect(difference).toMatchObject({ added: 0, removed: 1, manifestFields: ['description'] });
    expect(difference.changed + difference.same).toBe(12);
  });

  describe('as a page', () => {
    let opened: OpenPage;
    let file: string;
    beforeAll(async () => {
      file = join(folder, 'scans.html');
      const shown = await medformerJson(env, 'datasets', 'page', first, '-o', file, '--per-kind', '2');
      expect(shown.page).toBe(file);
      opened = await openPage(file);
      expect(await opened.page.locator('figure').count()).toBeGreaterThanOrEqual(shown.images);
    });
    afterAll(() => opened?.browser.close());

    it('shows pictures that decode, three planes of a volume, and loads nothing', async () => {
      expect(opened.complaints).toEqual([]);
      const widths = await pictureWidths(opened.page, 'figure img');
      expect(Math.min(...widths)).toBeGreaterThan(0);
      const volume = opened.page.locator('figure', { hasText: '25 × 41 × 33' });
      expect(await volume.locator('img').count()).toBe(3);
      expect(await volume.locator('img[alt$="sagittal"]').count()).toBe(1);
      expect(await volume.textContent()).toMatch(/uint16, [\d.]+ × [\d.]+ × [\d.]+ mm, RAS/);
    });

    it('shows hostile names as text', async () => {
      expect(await opened.page.title()).toBe('scans · Medformer data set');
      expect(await opened.page.locator('header').textContent()).toContain(HOSTILE);
      expect(await opened.page.locator('figcaption', { hasText: HOSTILE }).count()).toBeGreaterThan(0);
      expect(await opened.page.locator('img[src="x"]').count()).toBe(0);
    });

    it('names no subject and no file', async () => {
      const html = readFileSync(file, 'utf8');
      expect(html).not.toMatch(/PATIENT|p\d-\d|anatomical/);
    });
  });

  it('are told altered by shard, place, expected and found', async () => {
    expect((await medformer(env, 'datasets', 'verify', 'scans')).code).toBe(0);
    const { record } = await medformerJson(env, 'datasets', 'show', second);
    const [{ sha256 }] = record.shards;
    const bytes = await store.get(blobKey(sha256));
    bytes[bytes.length - 1]! ^= 1;
    await store.put(blobKey(sha256), bytes);
    const { code, stderr, stdout } = await medformer(env, 'datasets', 'verify', second);
    expect(code).toBe(25);
    for (const said of [stderr, stdout]) {
      expect(said).toMatch(
        new RegExp(
          `shard 1 of 1: blob ${sha256}: expected bytes of that SHA-256, found \\d+ of [0-9a-f]{64}`,
        ),
      );
    }
    bytes[bytes.length - 1]! ^= 1;
    await store.put(blobKey(sha256), bytes);
    expect((await medformer(env, 'datasets', 'verify', second)).code).toBe(0);
  });

  it('are removed version by version; what is young is left to the next collection', async () => {
    expect(await medformerJson(env, 'datasets', 'rm', `scans@${second}`)).toMatchObject({ manifest: second });
    expect(await medformerJson(env, 'datasets', 'ls')).toMatchObject([{ manifest: first }]);
    const found = await medformerJson(env, 'datasets', 'gc');
    expect(found).toMatchObject({ objects: 0 });
    expect(found.young).toBeGreaterThan(0);
    expect((await medformer(env, 'datasets', 'gc', '--older-than', '1')).code).not.toBe(0);
    expect((await medformer(env, 'datasets', 'verify', first)).code).toBe(0);
  });
});

/** Twelve pictures of six patients of two classes, one of whose names is markup; and a volume with an orientation. */
async function writeScans(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rows: string[] = [];
  for (let patient = 0; patient < 6; patient += 1) {
    for (let image = 0; image < 2; image += 1) {
      const grey = Uint8Array.from({ length: 1024 }, (_, at) => (at * (patient + 2) + 60 * image) % 256);
      const file = `p${patient}-${image}.png`;
      await sharp(grey, { raw: { width: 32, height: 32, channels: 1 } })
        .png()
        .toFile(join(folder, file));
      rows.push(`${file},PATIENT ${patient},xray,chest,${patient % 2 ? HOSTILE : 'clear'}`);
    }
  }
  const volume = 'anatomical.nii';
  await writeFile(join(folder, volume), await readFile(join(REAL, 'mri/anatomical.nii')));
  rows.push(`${volume},PATIENT 6,mri,head,clear`);
  await writeFile(
    join(folder, 'labels.csv'),
    `file,subject,modality,body_part,finding\n${rows.join('\n')}\n`,
  );
}
