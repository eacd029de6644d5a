import { setMaxListeners } from 'node:events';
import { status } from '@grpc/grpc-js';
import { DataType } from '@medformer/gen/common';
import {
  type AttendRequest,
  type AttendResponse,
  EncodeRequest,
  type EncodeResponse,
  EncoderServiceService,
  type EncodeStreamRequest,
  type EncodeStreamResponse,
  type GetModelRequest,
  type GetModelResponse,
  type ListModelsRequest,
  type ListModelsResponse,
  type LoadModelRequest,
  type LoadModelResponse,
  type Model,
  type RollBackRequest,
  type RollBackResponse,
  type SetDefaultModelRequest,
  type SetDefaultModelResponse,
  type UnloadModelRequest,
  type UnloadModelResponse,
} from '@medformer/gen/encoder';
import { type CallContext, RpcController } from '@medformer/rpc';
import { ContentHash, MedformerError, parseRecord, toMedformerError } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import { z } from 'zod';
import { answersInOrder } from './answers-in-order.js';
import { limitedTo } from './call-limits.js';
import type { ModelDescription } from './encoding-calls.js';
import { type EncodedImage, type EncodeOptions, ImageEncoder } from './image-encoder.js';
import { imageOf, levelOf } from './request-images.js';
import { ServingModels } from './serving-models.js';

/** Images of one stream that are under way or wait for its reader. */
const STREAM_WINDOW = 64;

/** A name that is no checkpoint's. */
const Alias = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);

@RpcController(EncoderServiceService)
@Controller()
export class EncoderController {
  constructor(
    @Inject(ImageEncoder) private readonly images: ImageEncoder,
    @Inject(ServingModels) private readonly serving: ServingModels,
  ) {}

  async encode(request: EncodeRequest, { signal, deadline }: CallContext): Promise<EncodeResponse> {
    return this.answer(request, limitedTo(0, { signal, deadline }));
  }

  encodeStream(
    requests: AsyncIterable<EncodeStreamRequest>,
    { signal, deadline }: CallContext,
  ): AsyncIterable<EncodeStreamResponse> {
    // Each image of the window listens to it.
    setMaxListeners(0, signal);
    return answersInOrder(requests, STREAM_WINDOW, async ({ id, request, timeoutMs }, onAdmitted) => {
      try {
        const options = { ...limitedTo(timeoutMs, { signal, deadline }), patient: true, onAdmitted };
        const response = await this.answer(request ?? EncodeRequest.create(), options);
        return { id, outcome: { $case: 'response', value: response } };
      } catch (thrown) {
        signal.throwIfAborted();
        return { id, outcome: { $case: 'error', value: imageErrorOf(thrown) } };
      }
    });
  }

  async attend(
    { image, modality, bodyPart, layers, model }: AttendRequest,
    { signal }: CallContext,
  ): Promise<AttendResponse> {
    const request = { image: imageOf(image), modality, bodyPart, model };
    const found = await this.images.attend(request, layers, signal);
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
    return { model: modelOf(this.serving.find().description) };
  }

  async loadModel({ checkpoint, standby, alias }: LoadModelRequest): Promise<LoadModelResponse> {
    const address = parseRecord(ContentHash, checkpoint, 'checkpoint');
    if (alias !== '') parseRecord(Alias, alias, 'alias');
    return { model: modelOf(await this.serving.load(address, { standby, alias })) };
  }

  async unloadModel({ model }: UnloadModelRequest): Promise<UnloadModelResponse> {
    await this.serving.unload(model);
    return {};
  }

  listModels(_: ListModelsRequest): ListModelsResponse {
    return {
      models: this.serving
        .list()
        .map(({ description, ...place }) => ({ model: modelOf(description), ...place })),
    };
  }

  async setDefaultModel({ model }: SetDefaultModelRequest): Promise<SetDefaultModelResponse> {
    return { model: modelOf(await this.serving.setDefault(model)) };
  }

  async rollBack(_: RollBackRequest): Promise<RollBackResponse> {
    return { model: modelOf(await this.serving.rollBack()) };
  }

  private async answer(
    { image, modality, bodyPart, model, priority }: EncodeRequest,
    options: Omit<EncodeOptions, 'level'>,
  ): Promise<EncodeResponse> {
    const request = { image: imageOf(image), modality, bodyPart, model };
    return responseOf(await this.images.encode(request, { ...options, level: levelOf(priority) }));
  }
}

function responseOf({ embedding, description, notes, ...times }: EncodedImage): EncodeResponse {
  const { queueMs, decodeMs, inferMs, batchImages } = times;
  return {
    embedding: Array.from(embedding),
    lineage: lineageOf(description),
    timing: { queueMs, decodeMs, inferMs, batchImages },
    notes,
  };
}

function imageErrorOf(thrown: unknown): { code: number; message: string } {
  const { code, message } = toMedformerError(thrown);
  // What went wrong on this side is in its log, as for a call of one image.
  const hidden = code === 'INTERNAL' && !(thrown instanceof MedformerError);
  return { code: status[code], message: hidden ? 'internal error' : message };
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
