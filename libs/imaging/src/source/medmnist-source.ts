import { basename, join } from 'node:path';
import { badInput, type LabelSpace, MedformerError, Split } from '@medformer/schema';
import type { MedmnistSet } from '../npz/medmnist-set.js';
import type { NamedMedmnistSet } from '../npz/medmnist-sets.js';
import { type NpyArray, readNpyArray, readNpyHeader, readNpyRows } from '../npz/npy-array.js';
import type { NpyHeader } from '../npz/npy-header.js';
import { openZip, type ZipArchive, type ZipEntry } from '../npz/zip-archive.js';
import { identifyMedmnist, refuseOtherMd5 } from './identify-medmnist.js';
import {
  type ImageSource,
  imageId,
  type SourceFile,
  type SourceImage,
  type SourceOptions,
} from './image-source.js';

const SPLITS = Split.options;
const MAX_LABEL_BYTES = 256 * 1024 * 1024;
const MAX_CLASSES = 1000;

interface SplitArrays {
  images: { entry: ZipEntry; header: NpyHeader };
  labels: NpyArray;
}

interface Layout {
  /** `[height, width, channels]` or `[depth, height, width, channels]`. */
  shape: number[];
  space: LabelSpace;
  modality: string;
  bodyPart: string;
}

/**
 * A MedMNIST archive: `{train,val,test}_{images,labels}.npy`; uint8 images `(n, h, w)`, `(n, h, w, 3)` or
 * `(n, d, h, w)`, integer labels `(n, 1)` or, for multi-label sets, `(n, k)` of 0 and 1. The 18 published sets are
 * known by their checksum and by file name; of any other archive the classes are those of its training labels, numbered,
 * and the task has the file's name.
 *
 * @throws MedformerError INVALID_ARGUMENT naming the array for whatever does not fit; FAILED_PRECONDITION for a file that
 * has the name of a set but not its checksum, or the checksum of an earlier release, unless the options allow it.
 */
export async function openMedmnistSource(
  folder: string,
  file: SourceFile,
  options: SourceOptions,
): Promise<ImageSource> {
  if (options.normalisation || options.resampling) {
    const field = options.resampling ? 'resampling' : 'normalisation';
    const expected = 'none: the pixels of a MedMNIST archive stay as they are';
    throw badInput({ file: file.path, field, expected, found: 'one' });
  }
  const zip = await openZip(join(folder, file.path), file.path, options.maxArchiveBytes);
  try {
    const arrays = await readArrays(zip, file.path);
    const identity = await identifyMedmnist(folder, file.path);
    const known = identity.byMd5 && !options.allowMd5Mismatch ? identity.byMd5 : identity.claimed;
    const layout = inspect(arrays, file.path, known, options);
    if (!options.allowMd5Mismatch) refuseOtherMd5(identity, file.path);
    const notes = [
      ...(known ? [provenance(known, identity.byMd5)] : []),
      'The archive names no patients: every image counts as its own subject, under a number.',
      'Splits are those of the archive.',
    ];
    return {
      format: 'medmnist-npz',
      deidentification: { profile: 'no-patient-attributes', notes },
      normalisation: { [layout.modality]: { rule: 'unchanged' } },
      splits: { policy: 'given', seed: 0 },
      labelSpaces: [layout.space],
      files: [file],
      total: SPLITS.reduce((sum, split) => sum + arrays[split].labels.shape[0]!, 0),
      images: (signal) => readImages(zip, arrays, layout, file, signal),
    };
  } catch (error) {
    await zip.close();
    throw error;
  }
}

async function readArrays(zip: ZipArchive, file: string): Promise<Record<Split, SplitArrays>> {
  const entry = (name: string) => {
    const found = zip.entries.get(`${name}.npy`);
    if (found) return found;
    const names = [...zip.entries.keys()].slice(0, 12).join(', ') || 'nothing';
    throw badInput({ file, field: name, expected: `the array ${name}.npy`, found: names });
  };
  const arrays: Partial<Record<Split, SplitArrays>> = {};
  for (const split of SPLITS) {
    const images = entry(`${split}_images`);
    const labels = await readNpyArray(entry(`${split}_labels`), file, MAX_LABEL_BYTES);
    arrays[split] = { images: { entry: images, header: await readNpyHeader(images, file) }, labels };
  }
  return arrays as Record<Split, SplitArrays>;
}

function provenance({ name, size, set }: NamedMedmnistSet, byMd5: NamedMedmnistSet | undefined): string {
  const published = byMd5?.name === name && byMd5.size === size;
  return published
    ? `${set.title} at ${size} as MedMNIST publishes it, MD5 ${set.md5[size]}; licence of the images ${set.licence}.`
    : `In the form of ${set.title} at ${size}, but not the file that MedMNIST publishes: scores do not compare with published ones.`;
}

function inspect(
  arrays: Record<Split, SplitArrays>,
  file: string,
  known: NamedMedmnistSet | undefined,
  options: SourceOptions,
): Layout {
  for (const split of SPLITS) checkArrays(split, arrays[split], file);
  const [, ...edges] = arrays.train.images.header.shape;
  for (const split of SPLITS) {
    const [, ...found] = arrays[split].images.header.shape;
    if (found.join() === edges.join()) continue;
    const expected = `images of (${edges.join(', ')}) as in train`;
    throw badInput({ file, field: `${split}_images`, expected, found: `(${found.join(', ')})` });
  }
  const colour = edges.length === 3 && edges[2] === 3 && known?.set.dimensions !== 3;
  if (
    known &&
    (colour !== (known.set.channels === 3) ||
      (edges.length === 3 && !colour) !== (known.set.dimensions === 3))
  ) {
    throw badInput({
      file,
      field: 'train_images',
      expected: `${axesOf(known.set)} for ${known.name}`,
      found: `(${arrays.train.images.header.shape.join(', ')})`,
    });
  }
  const space = known
    ? { task: known.name, kind: known.set.kind, classes: known.set.classes }
    : unknownSpace(arrays.train.labels, file);
  for (const split of SPLITS) checkLabels(split, arrays[split].labels, space, file);
  return {
    shape: colour ? edges : [...edges, 1],
    space,
    modality: known?.set.modality ?? options.modality ?? 'unknown',
    bodyPart: known?.set.bodyPart ?? options.bodyPart ?? 'unknown',
  };
}

function axesOf({ channels, dimensions }: MedmnistSet): string {
  if (dimensions === 3) return '(n, d, h, w)';
  return channels === 3 ? '(n, h, w, 3)' : '(n, h, w)';
}

function checkArrays(split: Split, { images: { header }, labels }: SplitArrays, file: string): void {
  const refuse = (field: string, expected: string, found: string) =>
    badInput({ file, field, expected, found });
  const images = header.shape[0] ?? 0;
  if (header.type !== 'u1') throw refuse(`${split}_images`, 'dtype uint8', `dtype ${header.type}`);
  if (images === 0)
    throw refuse(`${split}_images`, 'at least one image', `shape (${header.shape.join(', ')})`);
  if (header.shape.length < 3 || header.shape.length > 4) {
    throw refuse(
      `${split}_images`,
      '(n, h, w), (n, h, w, 3) or (n, d, h, w)',
      `(${header.shape.join(', ')})`,
    );
  }
  if (header.shape.slice(1).some((edge) => edge < 1 || edge > 65_535)) {
    throw refuse(`${split}_images`, 'axes of 1 to 65535', `(${header.shape.join(', ')})`);
  }
  if (labels.shape.length !== 2 || !(labels.shape[1]! >= 1)) {
    throw refuse(`${split}_labels`, 'shape (n, 1) or (n, k)', `(${labels.shape.join(', ')})`);
  }
  if (labels.shape[0] !== images) {
    throw refuse(`${split}_labels`, `${images} rows, one an image`, `${labels.shape[0]}`);
  }
}

function checkLabels(
  split: Split,
  { shape, values }: NpyArray,
  { kind, classes }: LabelSpace,
  file: string,
): void {
  const refuse = (expected: string, found: string) =>
    badInput({ file, field: `${split}_labels`, expected, found });
  const columns = kind === 'multi-label' ? classes.length : 1;
  if (shape[1] !== columns) throw refuse(`shape (n, ${columns})`, `(${shape.join(', ')})`);
  const highest = kind === 'multi-label' ? 1 : classes.length - 1;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!;
    if (Number.isInteger(value) && value >= 0 && value <= highest) continue;
    throw refuse(`labels from 0 to ${highest}`, `${value} in row ${Math.floor(index / columns)}`);
  }
}

/** Without a table of sets the training labels say what there is. */
function unknownSpace({ shape, values }: NpyArray, file: string): LabelSpace {
  const task =
    basename(file, '.npz')
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.join('-')
      .slice(0, 64) || 'label';
  const columns = shape[1]!;
  let highest = 0;
  for (let index = 0; index < values.length; index += 1) highest = Math.max(highest, values[index]!);
  const count = columns > 1 ? columns : highest + 1;
  if (!Number.isInteger(count) || count < 2 || count > MAX_CLASSES) {
    const expected = `2 to ${MAX_CLASSES} classes, numbered from 0`;
    throw badInput({ file, field: 'train_labels', expected, found: `${count}` });
  }
  const classes = Array.from({ length: count }, (_, index) => String(index));
  return { task, kind: columns > 1 ? 'multi-label' : count === 2 ? 'binary' : 'multi-class', classes };
}

async function* readImages(
  zip: ZipArchive,
  arrays: Record<Split, SplitArrays>,
  { shape, space, modality, bodyPart }: Layout,
  file: SourceFile,
  signal: AbortSignal | undefined,
): AsyncIterable<SourceImage> {
  try {
    for (const split of SPLITS) {
      const { images, labels } = arrays[split];
      const columns = labels.shape[1]!;
      let row = 0;
      for await (const pixels of readNpyRows(images.entry, file.path)) {
        if (signal?.aborted) throw new MedformerError('CANCELLED', 'cancelled by the caller');
        const own = labels.values.subarray(row * columns, (row + 1) * columns);
        const frame = `${split}/${row}`;
        yield {
          id: imageId(file.sha256, frame),
          subject: frame,
          split,
          modality,
          bodyPart,
          shape,
          pixelType: 'uint8',
          labels: { [space.task]: space.kind === 'multi-label' ? Array.from(own) : own[0]! },
          source: file.sha256,
          pixels,
        };
        row += 1;
      }
    }
  } finally {
    await zip.close();
  }
}
