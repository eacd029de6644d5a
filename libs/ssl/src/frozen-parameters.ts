import { isNamed, type ParameterLayout, unusedPatterns } from '@medformer/optimisers';
import { MedformerError } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import type { InitialWeights } from './train-session.js';

/** What of a model's parameters a run leaves as it took it over. */
export interface Frozen {
  /** Names of parameters that stay as they are altogether. */
  frozen: ReadonlySet<string>;
  /** [P]: 1 where an element changes, the new rows of a table of codes too; absent where all may. The caller's. */
  trained?: tf.Tensor;
}

/**
 * Of what was taken over from another checkpoint, that which `freeze` names stays; what is new trains, and so does what
 * no run has touched yet. Of a table of codes the rows of keys that the checkpoint knew stay, others train.
 * @throws MedformerError INVALID_ARGUMENT naming a pattern that fits nothing, FAILED_PRECONDITION where nothing is left
 */
export function frozenParameters(
  layout: ParameterLayout,
  { transfer, freeze = [], untrained = [] }: InitialWeights,
): Frozen {
  if (freeze.length === 0) return { frozen: new Set() };
  const [unused] = unusedPatterns(layout.names, freeze);
  if (unused !== undefined)
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `initial.freeze.${freeze.indexOf(unused)}: ${unused} fits no parameter`,
    );
  const frozen = new Set<string>();
  const masks = layout.names.map((name, index) => {
    const [shape, size] = [layout.shapes[index]!, layout.sizes[index]!];
    const mask = new Float32Array(size).fill(1);
    const taken = transfer.weights.get(name);
    const fits = taken?.shape.join() === shape.join();
    if (!fits || untrained.includes(name) || !isNamed(name, freeze)) return mask;
    mask.fill(0);
    const width = shape.at(-1)!;
    const rows = transfer.newRows.get(name) ?? [];
    for (const row of rows) mask.fill(1, row * width, (row + 1) * width);
    if (rows.length === 0) frozen.add(name);
    return mask;
  });
  if (frozen.size === layout.names.length)
    throw new MedformerError('FAILED_PRECONDITION', 'initial.freeze: nothing is left to train');
  return { frozen, trained: tf.tidy(() => tf.keep(tf.concat1d(masks.map((mask) => tf.tensor1d(mask))))) };
}

/** Scalars that a run trains, and those that it leaves as they were. */
export function countParameters(
  parameters: readonly (readonly [string, tf.Tensor])[],
  { trained }: Frozen,
): { trained: number; frozen: number } {
  const all = parameters.reduce((sum, [, { size }]) => sum + size, 0);
  const changing = trained ? tf.tidy(() => tf.sum(trained.toInt()).dataSync()[0]!) : all;
  return { trained: changing, frozen: all - changing };
}
