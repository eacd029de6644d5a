import { Rng } from '@medformer/schema';
import { zipSync } from 'fflate';

export const CLASSES = 3;
const EDGE = 28;

export type NpzMembers = Record<string, Uint8Array>;

/** The six members of a MedMNIST archive: 28² grey images whose brightest third tells the class. */
export function medmnistMembers(counts = { train: 48, val: 12, test: 24 }): NpzMembers {
  const members: NpzMembers = {};
  for (const [split, images] of Object.entries(counts)) {
    const pixels = new Uint8Array(images * EDGE * EDGE);
    const labels = new Uint8Array(images);
    const random = Rng.of(0, split);
    for (let image = 0; image < images; image += 1) {
      labels[image] = image % CLASSES;
      for (let i = 0; i < EDGE * EDGE; i += 1) {
        const third = Math.floor((CLASSES * (i % EDGE)) / EDGE);
        pixels[image * EDGE * EDGE + i] = (third === labels[image] ? 140 : 40) + 60 * random.uniform();
      }
    }
    members[`${split}_images`] = npy('|u1', [images, EDGE, EDGE], pixels);
    members[`${split}_labels`] = npy('|u1', [images, 1], labels);
  }
  return members;
}

export function npz(members: NpzMembers): Uint8Array {
  const files = Object.entries(members).map(([name, bytes]) => [`${name}.npy`, bytes] as const);
  return zipSync(Object.fromEntries(files), { level: 6 });
}

/** NumPy's format 1.0: magic, version, padded header, row-major data. */
export function npy(descr: string, shape: number[], data: Uint8Array): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const padded = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 10 - 1);
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([head, Buffer.from(`${padded}\n`, 'latin1'), data]);
}
