import { VIEW_POLICIES } from '@medformer/augment';
import { cutPatches, type Medformer, type ModelInput } from '@medformer/medformer';
import { type MethodSpec, type ModelConfig, Rng, type StoredTensor } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { drawPatches, fitCodebook, nearestCodes } from '../codebook.js';
import { nextToken } from '../losses/next-token.js';
import type { TrainingGroup } from '../training-group.js';
import { expectedOfClasses } from './expected-of-classes.js';
import type { Method } from './method.js';

type ImageGptSpec = Extract<MethodSpec, { name: 'image-gpt' }>;

/**
 * Image GPT (Chen et al. 2020): each patch in raster order is foretold from those before it, as the nearest code of a
 * k-means codebook. The body reads the patches as a sequence, without the latents; its middle layer, meaned over the
 * tokens, is what the method has learnt, and what probes read.
 *
 * Grey images, colour images and volumes have a codebook and an output layer each.
 */
export const imageGpt: Method<ImageGptSpec> = {
  name: 'image-gpt',
  policies: VIEW_POLICIES['image-gpt'],
  fit(spec, groups, config, seed, input) {
    const kinds = new Map<string, TrainingGroup[]>();
    for (const group of groups)
      kinds.set(kindOf(group.shape), [...(kinds.get(kindOf(group.shape)) ?? []), group]);
    return new Map(
      [...kinds].map(([kind, own]): [string, StoredTensor] => {
        const patch = patchOf(spec, config, own[0]!.shape.length - 1);
        const rng = Rng.of(seed, 'codebook patches', kind);
        const patches = drawPatches(own, patch, spec.codebookPatches, rng, input);
        const data = fitCodebook(patches, spec.codes, seed);
        const shape = [spec.codes, patches[0]!.length];
        return [codebookName(kind), { dtype: 'F32', shape, data }];
      }),
    );
  },
  loss(spec, model, input, { share }) {
    const { logits, ids, middle } = foretold(spec, model, input);
    return { ...nextToken(logits, ids, share), h: tf.mean(middle, 1) };
  },
  embed: (spec, model, input) => tf.mean(states(spec, model, input, [layerOf(spec, model.config)])[0]!, 1),
  /** A collapsed model still tells how frequent each code is, which depends on the data. */
  expected({ codes }) {
    const { collapsed: _, ...expected } = expectedOfClasses(codes, { exact: true });
    return expected;
  },
};

/**
 * What the model says of each token from those before it, [B, N, codes], the tokens themselves, int32 [B * N], and the
 * states of its middle layer [B, N, D].
 */
export function foretold(
  spec: ImageGptSpec,
  model: Medformer,
  input: ModelInput,
): { logits: tf.Tensor; ids: tf.Tensor1D; middle: tf.Tensor } {
  const { parameters, config } = model;
  const kind = kindOf(input.x.shape.slice(1));
  const patches = cutPatches(input.x, patchOf(spec, config, input.x.shape.length - 2));
  const width = patches.size / patches.shape[0]!;
  const codebook = parameters.get(codebookName(kind), [spec.codes, width], 'zeros');
  const ids = nearestCodes(tf.reshape(patches, [-1, width]), codebook);
  const [middle, last] = states(spec, model, input, [layerOf(spec, config), config.depth]) as [
    tf.Tensor,
    tf.Tensor,
  ];
  // Zeros, as in the reference code: the loss starts at ln V exactly.
  const output = parameters.get(
    `method/image-gpt/output-${kind}/weight`,
    [config.width, spec.codes],
    'zeros',
  );
  const rows = tf.matMul(tf.reshape(last, [-1, config.width]), output as tf.Tensor2D);
  const [batch, tokens] = last.shape as [number, number];
  return { logits: tf.reshape(rows, [batch, tokens, spec.codes]), ids, middle };
}

function states(spec: ImageGptSpec, model: Medformer, input: ModelInput, afterBlocks: number[]): tf.Tensor[] {
  const { parameters, config } = model;
  const start = parameters.get('method/image-gpt/start', [config.width], { normal: 0.02 });
  return model.causalStates(input, {
    patch: patchOf(spec, config, input.x.shape.length - 2),
    start,
    afterBlocks,
  });
}

/** What has a codebook of its own: the number of axes and channels of [...spatial, C]. */
function kindOf(shape: readonly number[]): string {
  return `${shape.length - 1}d-${shape[shape.length - 1]}`;
}

function codebookName(kind: string): string {
  return `method/image-gpt/codebook-${kind}`;
}

function patchOf({ patch }: ImageGptSpec, { patch2d, patch3d }: ModelConfig, axes: number): number {
  return patch ?? (axes === 3 ? patch3d : patch2d);
}

function layerOf({ layer }: ImageGptSpec, { depth }: ModelConfig): number {
  return layer ?? Math.floor(depth / 2);
}
