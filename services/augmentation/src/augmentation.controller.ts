import { setImmediate } from 'node:timers/promises';
import { loadImages, resolveDataset } from '@medformer/dataset';
import {
  AugmentationServiceService,
  type DrawViewsRequest,
  type DrawViewsResponse,
} from '@medformer/gen/augmentation';
import { DataType, type Tensor } from '@medformer/gen/common';
import type { ObjectStore } from '@medformer/object-store';
import { type CallContext, OBJECT_STORE, RpcController } from '@medformer/rpc';
import { badInput } from '@medformer/schema';
import { Controller, Inject } from '@nestjs/common';
import { drawViews } from './draw-views.js';

/** A call shows views to a person; the trainer draws its own, from the same code and seeds. */
const MAX_VIEWS = 4096;

@RpcController(AugmentationServiceService)
@Controller()
export class AugmentationController {
  constructor(@Inject(OBJECT_STORE) private readonly store: ObjectStore) {}

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
        image: tensorOf(viewed.image, viewed.shape),
        views: viewed.views.map(({ pixels, parameters }) => ({
          image: tensorOf(pixels, viewed.shape),
          parameters: { ...parameters },
        })),
      };
    }
  }
}

function axesOf(dimensions: number): 2 | 3 {
  if (dimensions === 2 || dimensions === 3) return dimensions;
  throw badInput({ file: 'request', field: 'dimensions', expected: '0, 2 or 3', found: String(dimensions) });
}

function tensorOf(pixels: Float32Array, shape: number[]): Tensor {
  return {
    dataType: DataType.DATA_TYPE_FLOAT32,
    shape,
    data: Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength),
  };
}
