import { setMaxListeners } from 'node:events';
import {
  GRPCInferenceServiceService,
  type InferParameter,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelMetadataRequest,
  type ModelMetadataResponse,
  type ModelReadyRequest,
  type ModelReadyResponse,
  type ServerLiveRequest,
  type ServerLiveResponse,
  type ServerMetadataRequest,
  type ServerMetadataResponse,
  type ServerReadyRequest,
  type ServerReadyResponse,
} from '@medformer/gen/inference';
import { type CallContext, RpcController } from '@medformer/rpc';
import { badInput, MedformerError } from '@medformer/schema';
import { codeVersion } from '@medformer/telemetry';
import { Controller, Inject } from '@nestjs/common';
import type { Level } from '../batching/dynamic-batcher.js';
import { limitedTo } from '../call-limits.js';
import type { ModelDescription } from '../encoding-calls.js';
import { type EncodedImage, ImageEncoder } from '../image-encoder.js';
import type { ServedModel } from '../served-model.js';
import { ServingModels } from '../serving-models.js';
import { FILE_INPUT, IMAGE_INPUT, imagesOf, numberOf } from './input-images.js';

/** The name of the default model; others are named by their aliases, versions by their checkpoints. */
const MODEL_NAME = 'medformer';
const OUTPUT = 'embedding';

/** The Open Inference Protocol (KServe v2): the same models and queue as the encoder's own contract. */
@RpcController(GRPCInferenceServiceService)
@Controller()
export class OpenInferenceController {
  constructor(
    @Inject(ImageEncoder) private readonly images: ImageEncoder,
    @Inject(ServingModels) private readonly serving: ServingModels,
  ) {}

  serverLive(_: ServerLiveRequest): ServerLiveResponse {
    return { live: true };
  }

  serverReady(_: ServerReadyRequest): ServerReadyResponse {
    return { ready: succeeds(() => this.serving.ready()) };
  }

  modelReady({ name, version }: ModelReadyRequest): ModelReadyResponse {
    return { ready: succeeds(() => this.model(name, version)) };
  }

  serverMetadata(_: ServerMetadataRequest): ServerMetadataResponse {
    return { name: 'medformer', version: codeVersion(), extensions: [] };
  }

  modelMetadata({ name, version }: ModelMetadataRequest): ModelMetadataResponse {
    const { description } = this.model(name, version);
    return {
      name,
      versions: this.serving.list().map((listed) => listed.description.checkpoint),
      platform: 'tensorflow',
      inputs: [{ name: IMAGE_INPUT, datatype: 'UINT8', shape: [-1n, -1n, -1n, -1n] }],
      outputs: [{ name: OUTPUT, datatype: 'FP32', shape: [-1n, BigInt(description.width)] }],
      properties: propertiesOf(description),
    };
  }

  async modelInfer(
    request: ModelInferRequest,
    { signal, deadline }: CallContext,
  ): Promise<ModelInferResponse> {
    const images = imagesOf(request);
    if (request.outputs.some(({ name }) => name !== OUTPUT)) {
      throw badInput({ file: 'request', field: 'outputs.name', expected: OUTPUT, found: 'another name' });
    }
    const { description } = this.model(request.modelName, request.modelVersion);
    const level = levelOf(numberOf(request.parameters, 'priority'));
    const timeoutMs = (numberOf(request.parameters, 'timeout') ?? 0) / 1000;
    const limits = limitedTo(timeoutMs, { signal, deadline });
    // One image that is refused refuses the request: the others need not be computed.
    const failed = new AbortController();
    const options = { ...limits, level, signal: AbortSignal.any([limits.signal, failed.signal]) };
    setMaxListeners(0, options.signal);
    const encode = async (image: (typeof images)[number], at: number) =>
      // The first is refused when the queue is full; what belongs to it then waits for its places.
      this.images.encode({ ...image, model: description.checkpoint }, { ...options, patient: at > 0 });
    try {
      return responseOf(request, description, await Promise.all(images.map(encode)));
    } catch (thrown) {
      failed.abort(new MedformerError('CANCELLED', 'another image of the request was refused'));
      throw thrown;
    }
  }

  private model(name: string, version: string): ServedModel {
    const named = this.serving.find(name === MODEL_NAME ? '' : name);
    if (version === '' || version === named.description.checkpoint) return named;
    if (name === MODEL_NAME) return this.serving.find(version);
    throw new MedformerError(
      'NOT_FOUND',
      'model_version: expected the checkpoint of that name, found another',
    );
  }
}

function responseOf(
  { modelName, id, rawInputContents }: ModelInferRequest,
  description: ModelDescription,
  encoded: EncodedImage[],
): ModelInferResponse {
  const { width, checkpoint, run, dataset } = description;
  const values = new Float32Array(encoded.length * width);
  encoded.forEach(({ embedding }, at) => {
    values.set(embedding, at * width);
  });
  const raw = rawInputContents.length > 0;
  const notes = [...new Set(encoded.flatMap((image) => image.notes))];
  return {
    modelName,
    modelVersion: checkpoint,
    id,
    parameters: {
      run: text(run),
      dataset: text(dataset),
      code_version: text(description.codeVersion),
      ...(notes.length > 0 ? { notes: text(notes.join('\n')) } : {}),
    },
    outputs: [
      {
        name: OUTPUT,
        datatype: 'FP32',
        shape: [BigInt(encoded.length), BigInt(width)],
        parameters: {},
        contents: raw ? undefined : { ...NO_CONTENTS, fp32Contents: Array.from(values) },
      },
    ],
    rawOutputContents: raw ? [Buffer.from(values.buffer)] : [],
  };
}

const NO_CONTENTS = {
  boolContents: [],
  intContents: [],
  int64Contents: [],
  uintContents: [],
  uint64Contents: [],
  fp64Contents: [],
  bytesContents: [],
};

/** What the protocol's one tensor cannot say. */
function propertiesOf({
  run,
  dataset,
  method,
  step,
  modalities,
  bodyParts,
}: ModelDescription): Record<string, string> {
  return {
    run,
    dataset,
    method,
    step: String(step),
    modalities: modalities.join(','),
    body_parts: bodyParts.join(','),
    inputs: `${IMAGE_INPUT}: UINT8, UINT16 or FP32 [batch, height, width, channels] or [batch, depth, height, width, channels]; or ${FILE_INPUT}: BYTES [batch]`,
    parameters:
      'modality, body_part, file_name, priority (1 interactive, 2 normal, 3 bulk), timeout (microseconds)',
  };
}

/** Triton's: 1 goes first, 0 is the default level. */
function levelOf(priority = 0): Level {
  if (priority === 0) return 1;
  return priority === 1 ? 0 : priority === 2 ? 1 : 2;
}

const text = (value: string): InferParameter => ({ parameterChoice: { $case: 'stringParam', value } });

function succeeds(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}
