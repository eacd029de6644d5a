import { setImmediate } from 'node:timers/promises';
import { getFusionQuality, loadImages, resolveDataset } from '@medformer/dataset';
import {
  AugmentationServiceService,
  type DrawViewsRequest,
  type DrawViewsResponse,
  type FuseDatasetRequest,
  type FuseDatasetResponse,
  type FuseRequest,
  type FuseResponse,
  type ListGeneratorsRequest,
  type ListGeneratorsResponse,
  type MeasureFusionsRequest,
  type MeasureFusionsResponse,
  type StreamFusionsRequest,
  type StreamFusionsResponse,
  type TrainGeneratorRequest,
  type TrainGeneratorResponse,
} from '@medformer/gen/augmentation';
import type { ObjectStore } from '@medformer/object-store';
import { type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import { countViews } from './augmentation-metrics.js';
import { drawViews } from './draw-views.js';
import { fusionMessage, pixelTensor } from './fusion-messages.js';
import { countOf, Fusions } from './fusions.js';

/** A call shows views to a person; the trainer draws its own, from the same code and seeds. */
const MAX_VIEWS = 4096;
/** More fusions than this belong into a stream or a data set. */
const MAX_FUSIONS = 64;
/** Fusions that are made before the caller has taken the first of them. */
const STREAM_AHEAD = 4;

@RpcController(AugmentationServiceService)
@Controller()
export class AugmentationController {
  constructor(
    @Inject(OBJECT_STORE) private readonly store: ObjectStore,
    @Inject(Fusions) private readonly fusions: Fusions,
  ) {}

  async *drawViews(request: DrawViewsRequest, { signal }: CallContext): AsyncIterable<DrawViewsResponse> {
    const { dataset, method, seed, imageIds, dimensions } = request;
    const images = imageIds.length || request.images || 1;
    const viewsPerImage = request.viewsPerImage || 2;
    if (images * viewsPerImage > MAX_VIEWS) {
      throw badInput({
        file: 'request',
        field: 'images x views_per_image',
        expected: `at most ${MAX_VIEWS}`,
        found: String(images * viewsPerImage),
      });
    }
    if (!Number.isSafeInteger(Number(seed))) {
      throw badInput({ file: 'request', field: 'seed', expected: 'at most 53 bits', found: String(seed) });
    }
    const { manifest } = await resolveDataset(this.store, dataset);
    const groups = await loadImages(this.store, manifest, {
      split: 'train',
      ...(dimensions ? { dimensions: [axesOf(dimensions)] } : {}),
      signal,
    });
    for (const viewed of drawViews(groups, { method, seed: Number(seed), imageIds, images, viewsPerImage })) {
      // One image is milliseconds of work; between images the service answers others.
      await setImmediate();
      signal.throwIfAborted();
      yield {
        imageId: viewed.record.id,
        modality: viewed.record.modality,
        bodyPart: viewed.record.bodyPart,
        image: pixelTensor(viewed.image, viewed.shape),
        views: viewed.views.map(({ pixels, parameters }) => ({
          image: pixelTensor(pixels, viewed.shape),
          parameters: { ...parameters },
        })),
      };
      countViews(viewed.views.length);
    }
  }

  async fuse(request: FuseRequest, { signal }: CallContext): Promise<FuseResponse> {
    const { imageIds, withSources } = request;
    const count = request.count || 1;
    const most = imageIds.length > 0 ? 1 : MAX_FUSIONS;
    if (count > most)
      throw badInput({ file: 'request', field: 'count', expected: `at most ${most}`, found: String(count) });
    const first = countOf('first', request.first);
    const made = await this.fusions.fuse(request, { first, count, imageIds, withSources }, signal);
    return { fusions: made.map(fusionMessage) };
  }

  async *streamFusions(
    request: StreamFusionsRequest,
    { signal }: CallContext,
  ): AsyncIterable<StreamFusionsResponse> {
    const { withSources } = request;
    const end = countOf('first + count', request.first + request.count);
    // The next few are asked for when these are taken: a caller that stops reading stops the work.
    for (let first = countOf('first', request.first); first < end; first += STREAM_AHEAD) {
      const count = Math.min(STREAM_AHEAD, end - first);
      const made = await this.fusions.fuse(request, { first, count, imageIds: [], withSources }, signal);
      for (const fusion of made) yield { fusion: fusionMessage(fusion) };
    }
  }

  async *fuseDataset(
    request: FuseDatasetRequest,
    { signal }: CallContext,
  ): AsyncIterable<FuseDatasetResponse> {
    const { dataset, spec, name } = request;
    const count = countOf('count', request.count);
    if (count === 0) throw badInput({ file: 'request', field: 'count', expected: 'at least 1', found: '0' });
    for await (const part of this.fusions.fuseDataset({ dataset, spec, name, count }, signal)) {
      if ('event' in part) {
        const { fusions, of } = part.event;
        yield { event: { $case: 'progress', value: { fusions: BigInt(fusions), of: BigInt(of) } } };
      } else {
        const { dataset, images, created } = part.output;
        yield { event: { $case: 'finished', value: { dataset, name, images: BigInt(images), created } } };
      }
    }
  }

  async *measureFusions(
    request: MeasureFusionsRequest,
    { signal }: CallContext,
  ): AsyncIterable<MeasureFusionsResponse> {
    for await (const part of this.fusions.measureFusions(request, signal)) {
      if ('event' in part) {
        const { stage, done, total } = part.event;
        const value = { stage, done: BigInt(done), total: BigInt(total) };
        yield { event: { $case: 'progress', value } };
      } else {
        const { hash, quality } = await getFusionQuality(this.store, part.output.quality);
        yield { event: { $case: 'finished', value: { quality: hash, record: quality } } };
      }
    }
  }

  async *trainGenerator(
    { dataset, spec }: TrainGeneratorRequest,
    { signal }: CallContext,
  ): AsyncIterable<TrainGeneratorResponse> {
    for await (const part of this.fusions.trainGenerator({ dataset, spec }, signal)) {
      if ('output' in part) yield { event: { $case: 'generator', value: part.output.generator } };
      else {
        const { step, steps, loss, pixel, gradient, gradientNorm, learningRate, stepMs } = part.event;
        const value = {
          step: BigInt(step),
          steps: BigInt(steps),
          loss,
          pixel,
          gradient,
          gradientNorm,
          learningRate,
          stepMs,
        };
        yield { event: { $case: 'progress', value } };
      }
    }
  }

  async listGenerators(_: ListGeneratorsRequest): Promise<ListGeneratorsResponse> {
    const generators = await this.fusions.listGenerators();
    return {
      generators: generators.map(({ generator, record: { history, ...record } }) => ({
        generator,
        record: { ...record, history: history.slice(-1) },
      })),
    };
  }
}

function axesOf(dimensions: number): 2 | 3 {
  if (dimensions === 2 || dimensions === 3) return dimensions;
  throw badInput({ file: 'request', field: 'dimensions', expected: '0, 2 or 3', found: String(dimensions) });
}
