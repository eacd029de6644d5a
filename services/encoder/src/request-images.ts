import { DataType, type Tensor } from '@medformer/gen/common';
import { type EncodeRequest, Priority } from '@medformer/gen/encoder';
import { badInput, ImageShape, parseRecord } from '@medformer/schema';
import type { Level } from './batching/dynamic-batcher.js';
import type { CodedImage } from './encoding-calls.js';
import type { ImageRequest } from './image-encoder.js';

/** @throws MedformerError INVALID_ARGUMENT for no image, or a tensor that is none */
export function imageOf(image: EncodeRequest['image']): ImageRequest['image'] {
  if (image?.$case === 'file') {
    const { name, content } = image.value;
    return { kind: 'file', file: { name, content } };
  }
  if (image?.$case === 'tensor') return { kind: 'pixels', ...pixelsOf(image.value) };
  throw badInput({ file: 'request', field: 'image', expected: 'a tensor or a file', found: 'neither' });
}

/** @throws MedformerError INVALID_ARGUMENT for a level from the future */
export function levelOf(priority: Priority): Level {
  switch (priority) {
    case Priority.PRIORITY_UNSPECIFIED:
    case Priority.PRIORITY_NORMAL:
      return 1;
    case Priority.PRIORITY_INTERACTIVE:
      return 0;
    case Priority.PRIORITY_BULK:
      return 2;
    default:
      throw badInput({
        file: 'request',
        field: 'priority',
        expected: 'interactive, normal or bulk',
        found: String(priority),
      });
  }
}

type PixelType = 'uint8' | 'uint16' | 'float32';

const BYTES: Record<PixelType, number> = { uint8: 1, uint16: 2, float32: 4 };

const TYPES: Partial<Record<DataType, PixelType>> = {
  [DataType.DATA_TYPE_UINT8]: 'uint8',
  [DataType.DATA_TYPE_UINT16]: 'uint16',
  [DataType.DATA_TYPE_FLOAT32]: 'float32',
};

function pixelsOf({ dataType, shape, data }: Tensor): { shape: number[]; pixels: CodedImage['pixels'] } {
  const type = TYPES[dataType];
  if (!type) {
    throw badInput({
      file: 'request',
      field: 'tensor.data_type',
      expected: 'uint8, uint16 or float32',
      found: DataType[dataType] ?? String(dataType),
    });
  }
  parseRecord(ImageShape, shape, 'tensor.shape');
  const expected = shape.reduce((product, edge) => product * edge, BYTES[type]);
  if (data.length !== expected) {
    throw badInput({
      file: 'request',
      field: 'tensor.data',
      expected: `${expected} bytes for [${shape}]`,
      found: `${data.length} bytes`,
    });
  }
  return { shape, pixels: pixelsView(type, data) };
}

/** Little-endian bytes as numbers; copied only where they are not aligned. */
export function pixelsView(type: PixelType, data: Uint8Array): CodedImage['pixels'] {
  const { buffer, byteOffset, length } = data.byteOffset % BYTES[type] === 0 ? data : new Uint8Array(data);
  switch (type) {
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, length);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, length / 2);
    case 'float32':
      return new Float32Array(buffer, byteOffset, length / 4);
  }
}
