import {
  AugmentationServiceService,
  type DrawViewsRequest,
  type DrawViewsResponse,
} from '@medformer/gen/augmentation';
import { DataType, type Tensor } from '@medformer/gen/common';
import { MedformerError } from '@medformer/schema';
import sharp from 'sharp';
import type { Context } from './context.js';

export async function drawViews(
  { connection }: Context,
  request: DrawViewsRequest,
): Promise<DrawViewsResponse[]> {
  const drawn: DrawViewsResponse[] = [];
  for await (const views of connection.serverStream(AugmentationServiceService.drawViews, request)) {
    drawn.push(views);
  }
  return drawn;
}

/** A PNG of a tensor `[height, width, channels]`, or of the middle slice of `[depth, height, width, channels]`. */
export async function tensorToPng(tensor: Tensor): Promise<Buffer> {
  const [depth, height, width, channels] = tensor.shape.length === 4 ? tensor.shape : [1, ...tensor.shape];
  if (depth === undefined || height === undefined || width === undefined || channels === undefined) {
    throw new MedformerError(
      'DATA_LOSS',
      `expected an image tensor, found shape [${tensor.shape.join(', ')}]`,
    );
  }
  const grey = toGrey(tensor);
  const slice = height * width * channels;
  const start = Math.floor(depth / 2) * slice;
  const raw = { width, height, channels: channels as 1 | 3 };
  return sharp(grey.subarray(start, start + slice), { raw })
    .png()
    .toBuffer();
}

/** Pixels as 0-255; floats and wide integers span the normalised range that the dataset fixed. */
export function toGrey({ dataType, data }: Tensor): Uint8Array {
  switch (dataType) {
    case DataType.DATA_TYPE_UINT8:
      return data;
    case DataType.DATA_TYPE_UINT16:
      return Uint8Array.from({ length: data.length / 2 }, (_, i) => data[2 * i + 1] ?? 0);
    case DataType.DATA_TYPE_FLOAT32: {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      return Uint8Array.from({ length: data.length / 4 }, (_, i) =>
        Math.round(255 * Math.min(1, Math.max(0, view.getFloat32(4 * i, true)))),
      );
    }
    default:
      throw new MedformerError('UNIMPLEMENTED', `no picture of data type ${DataType[dataType]}`);
  }
}
