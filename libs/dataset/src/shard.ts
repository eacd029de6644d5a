import {
  badInput,
  canonicalJson,
  decodeSafetensors,
  encodeSafetensors,
  ImageRecord,
  MAX_SHARD_BYTES,
  MedformerError,
  SHARD_RECORDS_KEY,
  type StoredTensor,
} from '@medformer/schema';
import { z } from 'zod';
import { type DatasetImage, elements, type Pixels } from './dataset-image.js';

/** Room for the header's frame, one tensor entry, and the padding to 8 bytes. */
const HEADER_BYTES = 256;
const TENSOR_ENTRY_BYTES = 160;

const Records = z.array(ImageRecord);

/**
 * Collects images until they fill a shard: equal shapes are stacked to one tensor `[images, ...shape]`, named
 * by shape and pixel type, and the records stand as JSON in the metadata, in order of arrival. Equal images in
 * equal order give equal bytes.
 */
export class ShardBuilder {
  private readonly images: DatasetImage[] = [];
  private readonly records: string[] = [];
  private readonly rows = new Map<string, number>();
  private size = HEADER_BYTES;

  constructor(private readonly maxBytes = MAX_SHARD_BYTES) {}

  get length(): number {
    return this.images.length;
  }

  /**
   * Takes the image, or answers false when it belongs into the next shard.
   * @throws MedformerError INVALID_ARGUMENT when not even an empty shard could hold it.
   */
  add(image: DatasetImage): boolean {
    const tensor = tensorName(image);
    const row = this.rows.get(tensor) ?? 0;
    const { pixels, ...known } = image;
    const record = canonicalJson(ImageRecord.parse({ ...known, tensor, row }));
    // The record is a string within JSON: its quotes are escaped once more.
    const grown =
      pixels.byteLength + Buffer.byteLength(JSON.stringify(record)) + (row === 0 ? TENSOR_ENTRY_BYTES : 0);
    if (this.size + grown > this.maxBytes) {
      if (this.length > 0) return false;
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `image ${image.id}: pixels: expected at most ${this.maxBytes} bytes with the record, found ${grown}`,
      );
    }
    this.images.push(image);
    this.records.push(record);
    this.rows.set(tensor, row + 1);
    this.size += grown;
    return true;
  }

  /** The shard's bytes. */
  encode(): Buffer {
    const tensors = new Map<string, Omit<StoredTensor, 'data'> & { data: Pixels[] }>();
    for (const image of this.images) {
      const name = tensorName(image);
      const tensor = tensors.get(name);
      if (tensor) {
        tensor.data.push(image.pixels);
        continue;
      }
      const shape = [this.rows.get(name) ?? 0, ...image.shape];
      const dtype = image.pixelType === 'uint16' ? 'U16' : 'U8';
      tensors.set(name, { dtype, shape, data: [image.pixels] });
    }
    return encodeSafetensors({ tensors, metadata: { [SHARD_RECORDS_KEY]: `[${this.records.join(',')}]` } });
  }
}

/** One image as it stands in a decoded shard; `pixels` is a view. */
export interface ShardImage {
  record: ImageRecord;
  pixels: Pixels;
}

/**
 * The images of a shard in order of writing.
 * @param name what error messages call the shard.
 * @throws MedformerError INVALID_ARGUMENT for bytes, records or tensors that do not fit each other.
 */
export function decodeShard(bytes: Uint8Array, name: string): ShardImage[] {
  const { tensors, metadata } = decodeSafetensors(bytes, name);
  return recordsOf(tensors, metadata, name).map((record) => {
    const length = elements(record.shape);
    const { data } = tensors.get(record.tensor)!;
    return { record, pixels: data.subarray(record.row * length, (record.row + 1) * length) as Pixels };
  });
}

/**
 * The records in a shard's header, each of which has a tensor and a row in it.
 * @throws MedformerError as `decodeShard` does
 */
export function recordsOf(
  tensors: ReadonlyMap<string, Pick<StoredTensor, 'dtype' | 'shape'>>,
  metadata: Record<string, string>,
  name: string,
): ImageRecord[] {
  const records = parseRecords(metadata[SHARD_RECORDS_KEY], name);
  for (const record of records) {
    const tensor = tensors.get(record.tensor);
    const [rows = 0, ...shape] = tensor?.shape ?? [];
    const dtype = record.pixelType === 'uint16' ? 'U16' : 'U8';
    const fits = shape.join() === record.shape.join() && record.row < rows && tensor?.dtype === dtype;
    if (tensor && fits) continue;
    throw badInput({
      file: name,
      field: record.tensor,
      expected: `${dtype} [more than ${record.row}, ${record.shape.join(', ')}]`,
      found: tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : 'no such tensor',
    });
  }
  return records;
}

function parseRecords(json: string | undefined, file: string): ImageRecord[] {
  const refuse = (found: string, cause?: unknown) =>
    badInput({ file, field: SHARD_RECORDS_KEY, expected: 'a JSON array of image records', found }, { cause });
  if (json === undefined) throw refuse('nothing');
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw refuse('something else', cause);
  }
  const records = Records.safeParse(parsed);
  if (records.success) return records.data;
  const [fault] = records.error.issues;
  throw refuse(`${fault?.path.join('.')}: ${fault?.message}`, records.error);
}

/** e.g. `uint8-28x28x1`. */
function tensorName({ pixelType, shape }: Pick<ImageRecord, 'pixelType' | 'shape'>): string {
  return `${pixelType}-${shape.join('x')}`;
}
