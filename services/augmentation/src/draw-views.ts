import { applyView, drawView, pixelScale, VIEW_POLICIES, type ViewParameters } from '@medformer/augment';
import type { LoadedImages } from '@medformer/dataset';
import { type ImageRecord, MedformerError, Rng } from '@medformer/schema';

export interface ViewedImage {
  record: ImageRecord;
  shape: number[];
  /** The image and its views in [0, 1], float32 of `shape`. */
  image: Float32Array;
  views: { pixels: Float32Array; parameters: ViewParameters }[];
}

export interface ViewRequest {
  method: string;
  seed: number;
  /** Images by id; empty: `images` of them, drawn by the seed. */
  imageIds: string[];
  images: number;
  viewsPerImage: number;
}

/** Views of images, one image at a time; the same request gives the same bytes. */
export function* drawViews(groups: LoadedImages, request: ViewRequest): Generator<ViewedImage> {
  const policies = policiesOf(request.method);
  const places = groups.flatMap(({ records }, group) =>
    records.map((record, row) => ({ group, row, record })),
  );
  for (const { group, row, record } of chosen(places, request)) {
    const { shape, pixels } = groups[group]!;
    const size = shape.reduce((product, edge) => product * edge, 1);
    const own = pixels.subarray(row * size, (row + 1) * size);
    const views = Array.from({ length: request.viewsPerImage }, (_, view) => {
      const policy = policies[view % policies.length]!;
      const parameters = drawView(policy, shape.length - 1, Rng.of(request.seed, 'view', record.id, view));
      return { pixels: applyView({ pixels: own, shape }, parameters, new Float32Array(size)), parameters };
    });
    const scale = pixelScale(own);
    yield { record, shape, image: Float32Array.from(own, (value) => value * scale), views };
  }
}

function policiesOf(method: string) {
  const known: Record<string, (typeof VIEW_POLICIES)[keyof typeof VIEW_POLICIES]> = VIEW_POLICIES;
  const policies = Object.hasOwn(known, method) ? known[method] : undefined;
  if (policies) return policies;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `method: expected ${Object.keys(known).join(', ')}, found ${JSON.stringify(method.slice(0, 80))}`,
  );
}

function chosen<Place extends { record: ImageRecord }>(
  places: Place[],
  { imageIds, images, seed }: ViewRequest,
): Place[] {
  if (imageIds.length === 0) {
    return [...Rng.of(seed, 'images').permutation(places.length)].slice(0, images).map((at) => places[at]!);
  }
  const byId = new Map(places.map((place) => [place.record.id, place]));
  return imageIds.map((id) => {
    const place = byId.get(id);
    if (!place)
      throw new MedformerError(
        'NOT_FOUND',
        `image ${JSON.stringify(id.slice(0, 80))}: not in the dataset's train split`,
      );
    return place;
  });
}
