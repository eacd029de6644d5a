import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { UploadFileInfo } from '@medformer/gen/ingestion';
import { encodeNpy, encodePng, encodeZip, type NpyPart } from '@medformer/imaging';
import { Rng, sha256 } from '@medformer/schema';

export type Files = Record<string, Uint8Array>;

export function announce(path: string, bytes: Uint8Array): UploadFileInfo {
  return { path, sizeBytes: BigInt(bytes.length), sha256: sha256(bytes) };
}

export async function folderFiles(folder: string): Promise<Files> {
  const paths = await listing(folder);
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path))])),
  );
}

/** Paths of the files in a folder, relative to it; none when it is not there. */
export async function listing(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
}

/** The names and bytes of all files below a folder. */
export async function contents(folder: string): Promise<Buffer> {
  const files = await folderFiles(folder);
  return Buffer.concat(Object.entries(files).flatMap(([path, bytes]) => [Buffer.from(path), bytes]));
}

export async function pictures(count: number): Promise<Files> {
  const files: Files = {};
  for (let index = 0; index < count; index += 1) {
    const pixels = Uint8Array.from({ length: 64 }, (_, place) => (place * 3 + index * 17) % 256);
    files[`${String(index).padStart(3, '0')}.png`] = await encodePng({ shape: [8, 8, 1], pixels });
  }
  return files;
}

/** A MedMNIST archive of `train` + 5 grey images; `changes` go over single members, or over `all` images. */
export function npz(changes: Record<string, Partial<NpyPart>>, train = 4): Uint8Array {
  const files: Files = {};
  for (const [split, count] of Object.entries({ train, val: 3, test: 2 })) {
    const images = changes.all ?? {};
    const pixels = images.shape ? images.shape.reduce((product, edge) => product * edge, 1) : 784;
    const parts: Record<string, NpyPart> = {
      images: {
        descr: '|u1',
        shape: [count, ...(images.shape ?? [28, 28])],
        data: Uint8Array.from({ length: count * pixels }, (_, index) => (index * 7 + (index >> 9)) & 255),
      },
      labels: {
        descr: '|u1',
        shape: [count, 1],
        data: Uint8Array.from({ length: count }, (_, index) => index & 1),
      },
    };
    for (const [kind, part] of Object.entries(parts)) {
      const name = `${split}_${kind}`;
      files[`${name}.npy`] = encodeNpy({ ...part, ...changes[name] });
    }
  }
  return encodeZip(files);
}

/** A NIfTI-1 file of float32 voxels; at most 64 of them are there. */
export function nifti(edges: [number, number, number], first = 0): Buffer {
  const file = Buffer.alloc(352 + 4 * 64);
  file.writeInt32LE(348, 0);
  for (const [axis, edge] of [3, ...edges].entries()) file.writeInt16LE(edge, 40 + 2 * axis);
  file.writeInt16LE(16, 70);
  file.writeInt16LE(32, 72);
  for (let axis = 0; axis < 4; axis += 1) file.writeFloatLE(1, 76 + 4 * axis);
  file.writeFloatLE(352, 108);
  file.writeInt16LE(1, 254);
  for (const at of [280, 300, 320]) file.writeFloatLE(1, at);
  file.write('n+1\0', 344, 'latin1');
  file.writeFloatLE(first, 352);
  return file;
}

export function noise(length: number): Uint8Array {
  const rng = Rng.of('noise', length);
  return Uint8Array.from({ length }, () => rng.integer(256));
}
