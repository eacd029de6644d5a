import { MedformerError } from '@medformer/schema';
import { type Admission, type Place, ShedError } from './batching/admission.js';
import type { Level } from './batching/dynamic-batcher.js';
import type { Decoders } from './decoders.js';
import { countEncoded, countNotEncoded, observeStage } from './encoder-metrics.js';
import type { Attention, CodedImage, ImageFile, ModelDescription } from './encoding-calls.js';
import type { ServedModel } from './served-model.js';
import type { ServingModels } from './serving-models.js';

/** An image as a caller sends it, and the names of its codes. */
export interface ImageRequest {
  image:
    | { kind: 'pixels'; shape: number[]; pixels: CodedImage['pixels'] }
    | { kind: 'file'; file: ImageFile };
  modality: string;
  bodyPart: string;
  /** A checkpoint or an alias; empty: the default model. */
  model: string;
}

export interface EncodeOptions {
  level: Level;
  deadlineMs?: number | undefined;
  signal: AbortSignal;
  /** Waits for its place in a full queue in place of being refused. */
  patient?: boolean;
  /** Called when the image has its place. */
  onAdmitted?: () => void;
}

/** An embedding, what it was made with and how long that took. */
export interface EncodedImage {
  embedding: Float32Array;
  notes: string[];
  description: ModelDescription;
  queueMs: number;
  decodeMs: number;
  inferMs: number;
  batchImages: number;
}

/** The way of an image: a place in the queue, decoding, its model's batch. All protocols take it. */
export class ImageEncoder {
  constructor(
    private readonly serving: ServingModels,
    private readonly admission: Admission,
    private readonly decoders: Decoders,
    private readonly limits: { maxPixels: number },
  ) {}

  async encode(request: ImageRequest, options: EncodeOptions): Promise<EncodedImage> {
    try {
      const encoded = await this.admitted(request, options, async (model, place) => {
        const began = performance.now();
        const image = await this.coded(request, place, options.signal);
        const decodeMs = performance.now() - began;
        const { level, deadlineMs, signal } = options;
        const { output, queueMs, images } = await model.encode(image, {
          level,
          deadlineMs,
          signal,
          onBegin: place.begin,
        });
        observeStage('queue', queueMs);
        observeStage('input', decodeMs + output.inputMs);
        observeStage('infer', output.inferMs);
        observeStage('output', output.outputMs);
        const { embedding, notes, inferMs } = output;
        return {
          embedding,
          notes,
          inferMs,
          decodeMs,
          queueMs,
          batchImages: images,
          description: model.description,
        };
      });
      countEncoded();
      this.serving.observe(encoded.description.checkpoint, encoded.embedding);
      return encoded;
    } catch (thrown) {
      countNotEncoded(thrown);
      throw thrown;
    }
  }

  attend(
    request: ImageRequest,
    layers: string[],
    signal: AbortSignal,
  ): Promise<Attention & { description: ModelDescription }> {
    return this.admitted(request, { level: 1, signal }, async (model, place) => {
      const image = await this.coded(request, place, signal);
      place.begin();
      return { ...(await model.attend(image, layers, signal)), description: model.description };
    });
  }

  private admitted<T>(
    request: ImageRequest,
    options: EncodeOptions,
    work: (model: ServedModel, place: Place) => Promise<T>,
  ): Promise<T> {
    const model = this.serving.find(request.model);
    return model.use(async () => {
      const place = await this.enter(model, bytesOf(request), options);
      options.onAdmitted?.();
      try {
        return await work(model, place);
      } finally {
        place.leave();
      }
    });
  }

  private async enter(
    model: ServedModel,
    bytes: number,
    { level, patient, signal }: EncodeOptions,
  ): Promise<Place> {
    if (patient) return this.admission.enterWhenRoom(bytes, signal);
    try {
      return this.admission.enter(bytes);
    } catch (thrown) {
      const full = thrown instanceof ShedError && thrown.reason === 'queue-full';
      if (!full || !model.displace(level)) throw thrown;
      // The place comes free when the displaced call has seen its end.
      return this.admission.enterWhenRoom(bytes, signal);
    }
  }

  /** The decoded image; what a file says of itself goes before what the caller says. */
  private async coded(request: ImageRequest, place: Place, signal: AbortSignal): Promise<CodedImage> {
    const { image, modality, bodyPart } = request;
    if (image.kind === 'pixels') {
      this.refuseLarge(image.shape);
      return { shape: image.shape, pixels: image.pixels, modality, bodyPart };
    }
    const decoded = await this.decoders.decode(image.file, modality, signal);
    place.resize(decoded.pixels.byteLength);
    return { bodyPart, ...decoded };
  }

  private refuseLarge(shape: readonly number[]): void {
    const values = shape.reduce((product, edge) => product * edge, 1);
    if (values <= this.limits.maxPixels) return;
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `request: tensor.shape: expected at most ${this.limits.maxPixels} values, found [${shape}]`,
    );
  }
}

function bytesOf({ image }: ImageRequest): number {
  return image.kind === 'file' ? image.file.content.byteLength : image.pixels.byteLength;
}
