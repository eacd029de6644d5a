import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { applyView, type ViewParameters } from '@medformer/augment';
import { type DatasetImage, writeDataset } from '@medformer/dataset';
import {
  AugmentationServiceClient,
  DrawViewsRequest,
  type DrawViewsResponse,
} from '@medformer/gen/augmentation';
import { DataType, type Tensor } from '@medformer/gen/common';
import { openObjectStore } from '@medformer/object-store';
import { baseConfig, type RunningService, runService } from '@medformer/rpc';
import { Rng, type Split, sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { augmentation } from './index.js';

let folder: string;
let dataset: string;
let service: RunningService;
let client: AugmentationServiceClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'augmentation-'));
  const url = pathToFileURL(folder).href;
  const store = await openObjectStore({ url });
  dataset = (await writeDataset(store, description(), cohort())).hash;
  const config = baseConfig.parse({ store: url, port: 0, metricsPort: 0, logLevel: 'fatal' });
  service = await runService('augmentation', [augmentation], config);
  client = new AugmentationServiceClient(`127.0.0.1:${service.port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await service.close();
  await rm(folder, { recursive: true });
});

describe('DrawViews', () => {
  it('shows images of the train split with views of their own shape, in [0, 1]', async () => {
    const drawn = await drawViews({ images: 6, viewsPerImage: 3 });

    expect(drawn.map(({ imageId }) => imageId).every((id) => idsOf('train').includes(id))).toBe(true);
    expect(new Set(drawn.map(({ imageId }) => imageId)).size).toBe(6);
    for (const { imageId, modality, bodyPart, image, views } of drawn) {
      const stored = storedImage(imageId);
      expect({ modality, bodyPart }).toEqual({ modality: stored.modality, bodyPart: stored.bodyPart });
      expect(image).toMatchObject({ dataType: DataType.DATA_TYPE_FLOAT32, shape: stored.shape });
      const scale = stored.pixelType === 'uint8' ? 255 : 65_535;
      expectClose(
        valuesOf(image!),
        Float32Array.from(stored.pixels, (value) => value / scale),
      );
      expect(views).toHaveLength(3);
      for (const view of views) {
        expect(view.image?.shape).toEqual(stored.shape);
        expect(valuesOf(view.image!).every((value) => value >= 0 && value <= 1)).toBe(true);
      }
    }
  });

  it('answers the same request with the same bytes, another seed with others', async () => {
    const request = { images: 4, viewsPerImage: 2, seed: 7n };
    const drawn = await drawViews(request);

    expect(await drawViews({ ...request, dataset })).toEqual(drawn);
    expect(await drawViews({ ...request, seed: 8n })).not.toEqual(drawn);
  });

  it('draws the views of an image without regard to the others asked for', async () => {
    const [one, other] = idsOf('train');
    const together = await drawViews({ imageIds: [other!, one!], viewsPerImage: 2 });
    const [alone] = await drawViews({ imageIds: [one!], viewsPerImage: 2 });

    expect(together.map(({ imageId }) => imageId)).toEqual([other, one]);
    expect(together[1]).toEqual(alone);
    // More views are more, not others.
    const [more] = await drawViews({ imageIds: [one!], viewsPerImage: 4 });
    expect(more?.views.slice(0, 2)).toEqual(alone?.views);
  });

  it.each(['simclr', 'barlow-twins', 'jigsaw', 'mae', 'image-gpt', 'consistency', 'supervised'])(
    'tells the parameters that give the view again: %s',
    async (method) => {
      for (const { imageId, views } of await drawViews({ method, images: 8, viewsPerImage: 2 })) {
        const { shape, pixels } = storedImage(imageId);
        for (const { image, parameters } of views) {
          const again = applyView(
            { shape, pixels },
            parameters as unknown as ViewParameters,
            new Float32Array(pixels.length),
          );

          expect(valuesOf(image!)).toEqual(again);
        }
      }
    },
  );

  it('keeps to the dimensions asked for, and to two views of one image by default', async () => {
    for (const axes of [2, 3]) {
      const drawn = await drawViews({ dimensions: axes, images: 100 });
      expect(drawn.length).toBe(
        cohort().filter(({ split, shape }) => split === 'train' && shape.length === axes + 1).length,
      );
      expect(drawn.every(({ image }) => image?.shape.length === axes + 1)).toBe(true);
    }
    const drawn = await drawViews({});
    expect(drawn.map(({ views }) => views.length)).toEqual([2]);
  });

  it('stops when the caller cancels', async () => {
    const call = client.drawViews(requestOf({ images: 10, viewsPerImage: 400 }));
    const failed = new Promise<ServiceError>((resolve) => call.on('error', resolve));
    call.once('data', () => call.cancel());

    expect((await failed).code).toBe(status.CANCELLED);
  });

  it.each<[string, Partial<DrawViewsRequest>, status, RegExp]>([
    ['an unknown data set', { dataset: 'nowhere' }, status.NOT_FOUND, /^dataset nowhere: not in the store$/],
    [
      'an unknown method',
      { method: 'cutmix' },
      status.INVALID_ARGUMENT,
      /^method: expected simclr, .*supervised.*, found "cutmix"$/,
    ],
    [
      'a method that objects have',
      { method: 'constructor' },
      status.INVALID_ARGUMENT,
      /^method: expected simclr/,
    ],
    [
      'an unknown image',
      { imageIds: ['0123456789abcdef'] },
      status.NOT_FOUND,
      /^image "0123456789abcdef": not in the dataset's train split$/,
    ],
    [
      'an image of the test split',
      { imageIds: [idsOf('test')[0]!] },
      status.NOT_FOUND,
      /not in the dataset's train split$/,
    ],
    [
      'more views than one call shows',
      { images: 100, viewsPerImage: 50 },
      status.INVALID_ARGUMENT,
      /^request: images x views_per_image: expected at most 4096, found 5000$/,
    ],
    [
      'four dimensions',
      { dimensions: 4 },
      status.INVALID_ARGUMENT,
      /^request: dimensions: expected 0, 2 or 3, found 4$/,
    ],
    [
      'a seed that no number holds exactly',
      { seed: 2n ** 53n },
      status.INVALID_ARGUMENT,
      /^request: seed: expected at most 53 bits, found 9007199254740992$/,
    ],
  ])('refuses %s', async (_, request, code, details) => {
    await expect(drawViews(request)).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });
});

function requestOf(request: Partial<DrawViewsRequest>): DrawViewsRequest {
  return DrawViewsRequest.fromPartial({ dataset: 'mixed', method: 'simclr', ...request });
}

async function drawViews(request: Partial<DrawViewsRequest>): Promise<DrawViewsResponse[]> {
  const responses: DrawViewsResponse[] = [];
  for await (const response of client.drawViews(requestOf(request))) responses.push(response);
  return responses;
}

function valuesOf({ data }: Tensor): Float32Array {
  return new Float32Array(Uint8Array.from(data).buffer);
}

function expectClose(found: Float32Array, expected: Float32Array): void {
  expect(found.length).toBe(expected.length);
  expect(Math.max(...found.map((value, at) => Math.abs(value - expected[at]!)))).toBeLessThan(1e-6);
}

function idsOf(split: Split): string[] {
  return cohort().flatMap((image) => (image.split === split ? [image.id] : []));
}

function storedImage(id: string): DatasetImage {
  return cohort().find((image) => image.id === id)!;
}

function description() {
  return {
    name: 'mixed',
    description: 'Noise of several shapes.',
    source: { format: 'generated', synthetic: true, digest: sha256('mixed'), files: 1, bytes: 1 },
    deidentification: { profile: 'none', notes: [] },
    normalisation: {},
    splits: { policy: 'by-subject' as const, seed: 0 },
    labelSpaces: [],
    codeVersion: 'test',
  };
}

/** Grey and colour images of 8 bits, grey ones and volumes of 16: three of each for training, one to test. */
function cohort(): DatasetImage[] {
  return Array.from({ length: 16 }, (_, index) => {
    const rng = Rng.of('mixed', index);
    const shape = [
      [9, 7, 1],
      [6, 8, 3],
      [8, 8, 1],
      [4, 6, 7, 1],
    ][index % 4]!;
    const length = shape.reduce((product, edge) => product * edge, 1);
    const deep = index % 4 > 1;
    return {
      id: sha256(`mixed ${index}`).slice(0, 16),
      subject: `s${index}`,
      split: index < 12 ? ('train' as const) : ('test' as const),
      modality: index % 2 === 0 ? 'ct' : 'mri',
      bodyPart: 'whole-body',
      shape,
      pixelType: deep ? ('uint16' as const) : ('uint8' as const),
      labels: {},
      source: sha256(`source ${index}`),
      pixels: deep
        ? Uint16Array.from({ length }, () => rng.integer(65_536))
        : Uint8Array.from({ length }, () => rng.integer(256)),
    };
  });
}
