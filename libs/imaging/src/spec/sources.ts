import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sha256 } from '@medformer/schema';
import { encodePng } from '../encode-png.js';
import type { ImageSource, Refusal, SourceFile, SourceImage, SourceOptions } from '../source/image-source.js';
import { openSource } from '../source/open-source.js';

/** Content by path. */
export type Files = Record<string, string | Uint8Array>;

export const SOURCE_OPTIONS: SourceOptions = {
  splitSeed: 7,
  fractions: { train: 0.6, val: 0.15, test: 0.25 },
  skipBadFiles: false,
  synthetic: false,
  pseudonymKey: 'a key for the spec',
  maxArchiveBytes: 1_000_000,
};

export async function pictures(count: number): Promise<Files> {
  const files: Files = {};
  for (let index = 0; index < count; index += 1) {
    const pixels = Uint8Array.from({ length: 64 }, (_, place) => (place * 3 + index * 17) % 256);
    files[`${index}.png`] = await encodePng({ shape: [8, 8, 1], pixels });
  }
  return files;
}

/** Files on disk, in a folder of their own below the system's temporary one, as an upload announces them. */
export async function writeFiles(files: Files): Promise<{ folder: string; files: SourceFile[] }> {
  const folder = join(await mkdtemp(join(tmpdir(), 'medformer-source-')), 'files');
  const announced: SourceFile[] = [];
  for (const [path, content] of Object.entries(files)) {
    const bytes = Buffer.from(content as Uint8Array);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
    announced.push({ path, bytes: bytes.length, sha256: sha256(bytes) });
  }
  return { folder, files: announced };
}

export async function readSource(
  content: Files,
  options: Partial<SourceOptions> = {},
): Promise<{ source: ImageSource; images: SourceImage[]; refusals: Refusal[] }> {
  const { folder, files } = await writeFiles(content);
  const refusals: Refusal[] = [];
  const source = await openSource(folder, files, { ...SOURCE_OPTIONS, ...options }, (refusal) =>
    refusals.push(refusal),
  );
  return { source, images: await imagesOf(source), refusals };
}

export async function imagesOf(source: ImageSource): Promise<SourceImage[]> {
  const images: SourceImage[] = [];
  for await (const image of source.images()) images.push(image);
  return images;
}
