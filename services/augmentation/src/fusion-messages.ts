import type { Fusion } from '@medformer/gen/augmentation';
import { DataType, type Tensor } from '@medformer/gen/common';
import type { MadeFusion } from './fusion-calls.js';

type Pixels = Uint8Array | Uint16Array | Float32Array;

/** A fusion as it goes over the wire. */
export function fusionMessage({ record, pixels, parts }: MadeFusion): Fusion {
  const { shape } = record;
  return {
    index: BigInt(record.fusion!.index),
    image: pixelTensor(pixels, shape),
    record: { ...record },
    sources: (parts?.sources ?? []).map((source) => pixelTensor(source, shape)),
    weights: parts && pixelTensor(parts.weights, [record.fusion!.sources.length, ...shape.slice(0, -1)]),
    raw: parts?.raw && pixelTensor(parts.raw, shape),
  };
}

/** A dense tensor over the same bytes. */
export function pixelTensor(pixels: Pixels, shape: readonly number[]): Tensor {
  return {
    dataType: dataTypeOf(pixels),
    shape: [...shape],
    data: Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength),
  };
}

function dataTypeOf(pixels: Pixels): DataType {
  if (pixels instanceof Float32Array) return DataType.DATA_TYPE_FLOAT32;
  return pixels instanceof Uint16Array ? DataType.DATA_TYPE_UINT16 : DataType.DATA_TYPE_UINT8;
}
