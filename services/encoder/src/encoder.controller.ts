import { DataType, type Tensor } from '@medformer/gen/common';
import {
  type AttendRequest,
  type AttendResponse,
  type EncodeRequest,
  type EncodeResponse,
  EncoderServiceService,
  type GetModelRequest,
  type GetModelResponse,
  type LoadModelRequest,
  type LoadModelResponse,
  type Model,
} from '@medformer/gen/encoder';
import { type CallContext, RpcController } from '@medformer/rpc';
import { badInput, ContentHash, ImageShape, parseRecord } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import type { EncodingImage, ModelDescription } from './encoding-calls.js';
import { ServingModel } from './serving-model.js';

@RpcController(EncoderServiceService)
@Controller()
export class EncoderController {
  constructor(@Inject(ServingModel) private readonly serving: ServingModel) {}

  async encode(
    { image, modality, bodyPart }: EncodeRequest,
    { signal }: CallContext,
  ): Promise<EncodeResponse> {
    const began = performance.now();
    const input = { image: encodingImage(image), modality, bodyPart };
    const { embedding, notes, decodeMs, inferMs, description } = await this.serving.encode(input, signal);
    const queueMs = Math.max(0, performance.now() - began - decodeMs - inferMs);
    return {
      embedding: [...embedding],
      lineage: lineageOf(description),
      timing: { queueMs, decodeMs, inferMs },
      notes,
    };
  }

  async attend(
    { image, modality, bodyPart, layers }: AttendRequest,
    { signal }: CallContext,
  ): Promise<AttendResponse> {
    const request = { image: encodingImage(image), modality, bodyPart };
    const found = await this.serving.attend(request, layers, signal);
    return {
      grid: found.grid,
      heat: [...found.heat],
      spatial: found.spatial,
      patch: found.patch,
      maps: found.maps.map(({ layer, shape, weights }) => ({
        layer,
        weights: {
          dataType: DataType.DATA_TYPE_FLOAT32,
          shape,
          data: Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength),
        },
      })),
      layers: found.layers,
      image: {
        dataType: DataType.DATA_TYPE_UINT8,
        shape: found.image.shape,
        data: Buffer.from(found.image.pixels),
      },
      lineage: lineageOf(found.description),
      notes: found.notes,
    };
  }

  getModel(_: GetModelRequest): GetModelResponse {
    return { model: modelOf(this.serving.description) };
  }

  async loadModel({ checkpoint }: LoadModelRequest): Promise<LoadModelResponse> {
    return { model: modelOf(await this.serving.load(parseRecord(ContentHash, checkpoint, 'checkpoint'))) };
  }
}

function encodingImage(image: EncodeRequest['image']): EncodingImage {
  if (image?.$case === 'file') return { kind: 'file', name: image.value.name, content: image.value.content };
  if (image?.$case === 'tensor') return { kind: 'pixels', ...pixelsOf(image.value) };
  throw badInput({ file: 'request', field: 'image', expected: 'a tensor or a file', found: 'neither' });
}

const BYTES: Partial<Record<DataType, number>> = {
  [DataType.DATA_TYPE_UINT8]: 1,
  [DataType.DATA_TYPE_UINT16]: 2,
  [DataType.DATA_TYPE_FLOAT32]: 4,
};

/** The tensor's pixels, copied so that they are aligned. */
function pixelsOf({ dataType, shape, data }: Tensor) {
  const size = BYTES[dataType];
  if (!size) {
    throw badInput({
      file: 'request',
      field: 'tensor.data_type',
      expected: 'uint8, uint16 or float32',
      found: DataType[dataType] ?? String(dataType),
    });
  }
  parseRecord(ImageShape, shape, 'tensor.shape');
  const expected = shape.reduce((product, edge) => product * edge, size);
  if (data.length !== expected) {
    throw badInput({
      file: 'request',
      field: 'tensor.data',
      expected: `${expected} bytes for [${shape}]`,
      found: `${data.length} bytes`,
    });
  }
  const { buffer } = Uint8Array.from(data);
  const pixels =
    size === 1 ? new Uint8Array(buffer) : size === 2 ? new Uint16Array(buffer) : new Float32Array(buffer);
  return { shape, pixels };
}

function lineageOf({ checkpoint, run, dataset, codeVersion }: ModelDescription) {
  return { checkpoint, run, dataset, codeVersion };
}

function modelOf(description: ModelDescription): Model {
  const { width, parameters, modalities, bodyParts, step, method } = description;
  return {
    lineage: lineageOf(description),
    width,
    parameters: BigInt(parameters),
    modalities,
    bodyParts,
    step: BigInt(step),
    method,
  };
}
