import { VIEW_POLICIES } from '@medformer/augment';
import { patchGrid } from '@medformer/medformer';
import type { MethodSpec, ModelConfig, Rng } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { patchMask } from '../arrange/patch-mask.js';
import { blankMasked, patchify } from '../arrange/patches.js';
import { patchDecoder } from '../heads/patch-decoder.js';
import { maskedReconstruction } from '../losses/masked-reconstruction.js';
import type { Arrangement, HostViews, Method } from './method.js';

type MaeSpec = Extract<MethodSpec, { name: 'mae' }>;

/** Masked autoencoding (He et al. 2022): the few patches that are seen tell the pixels of those that are not. */
export const mae: Method<MaeSpec> = {
  name: 'mae',
  policies: VIEW_POLICIES.mae,
  arrange: (spec, views, { config, rngOf }) => maskPatches(spec, views, config, rngOf),
  loss(spec, model, input, { drawn, share }) {
    const { mask, target } = drawn as { mask: tf.Tensor; target: tf.Tensor };
    const spatial = input.x.shape.slice(1, -1);
    const grid = patchGrid(spatial, patchOf(model.config, spatial.length));
    // The stem's convolutions overlap: pixels of masked patches are blank already, and their tokens are not read.
    const latents = model.latents(input, { visible: tf.sub(1, mask) });
    const h = model.pool(latents);
    const pixels = target.shape[2]!;
    const prediction = patchDecoder(model, 'method/mae', { latents, h }, grid, pixels, spec.decoder);
    return { loss: maskedReconstruction(prediction, target, mask, spec.normPix, share), h };
  },
  /**
   * With norm-pix the start is 1 - 1/n for n pixels a patch, less by the share of patches that are constant, exactly. A
   * collapsed model still tells the mean patch of each place, which depends on the data.
   */
  expected: ({ normPix }) => ({
    ...(normPix ? { start: 1, first: { least: 0, most: 1.001 } } : {}),
    floor: 0,
  }),
};

/** Views with masked patches blanked; `mask` [rows, N], 1: masked; `target` [rows, N, pixels], the patches before. */
function maskPatches(
  spec: MaeSpec,
  { x, shape, views, images }: HostViews,
  config: ModelConfig,
  rngOf: (row: number) => Rng,
): Arrangement {
  const spatial = shape.slice(0, -1);
  const patch = patchOf(config, spatial.length);
  const tokens = patchGrid(spatial, patch).reduce((product, edge) => product * edge, 1);
  const pixels = patch ** spatial.length * shape[shape.length - 1]!;
  const rows = views * images;
  const size = x.length / rows;
  const mask = new Float32Array(rows * tokens);
  const target = new Float32Array(rows * tokens * pixels);
  const seen = x.slice();
  for (let row = 0; row < rows; row += 1) {
    const view = seen.subarray(row * size, (row + 1) * size);
    const drawn = patchMask(tokens, spec.maskRatio, rngOf(row));
    mask.set(drawn, row * tokens);
    patchify(view, shape, patch, target.subarray(row * tokens * pixels, (row + 1) * tokens * pixels));
    blankMasked(view, shape, patch, drawn);
  }
  return {
    x: seen,
    shape,
    copies: 1,
    drawn: {
      mask: { data: mask, shape: [rows, tokens] },
      target: { data: target, shape: [rows, tokens, pixels] },
    },
  };
}

function patchOf(config: ModelConfig, axes: number): number {
  return axes === 3 ? config.patch3d : config.patch2d;
}
