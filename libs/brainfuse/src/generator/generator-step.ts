import { Parameters } from '@medformer/medformer';
import { clipNorm, optimiserOf, type ParameterLayout } from '@medformer/optimisers';
import type { GeneratorSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { bandLosses, seamLoss } from './band-losses.js';
import { bandOf, repaired } from './repaired.js';

/** The generator's weights and what its optimiser keeps of each, as flat vectors [P]. */
export interface GeneratorVectors {
  layout: ParameterLayout;
  /** [P]: 1 where weight decay applies, else 0. */
  decayed: tf.Tensor;
  parameters: tf.Variable;
  slots: Record<string, tf.Variable>;
}

export interface GeneratorInputs {
  /** Learning rate, then the optimiser's scalars of this step. */
  schedule: tf.Tensor;
  /** Pseudo-fusions, [B, ...spatial, channels + 2], and what they should become, [B, ...spatial, channels]. */
  input: tf.Tensor;
  target: tf.Tensor;
  /** Raw fusions of several patients, as `input`, their borders and their sources' jumps there; see `seamLoss`. */
  fusions?: tf.Tensor;
  between?: tf.Tensor;
  expected?: tf.Tensor;
}

/**
 * One step along pixel + w1 gradient + w2 sharpness of pseudo-fusions + w3 seam of raw fusions. Returns one tensor [6]: loss,
 * pixel, gradient, sharpness, seam, gradient norm.
 */
export function generatorStep(
  spec: GeneratorSpec,
  vectors: GeneratorVectors,
  { schedule, input, target, fusions, between, expected }: GeneratorInputs,
): tf.Tensor {
  const { layout } = vectors;
  const tensors = layout.split(vectors.parameters);
  const parameters = Parameters.reading(new Map(layout.names.map((name, at) => [name, tensors[at]!])));
  const kept: tf.Tensor[] = [];
  const { value, grads } = tf.engine().gradients(
    () => {
      const made = repaired(parameters, input, spec.network);
      const { pixel, gradient, sharpness } = bandLosses(made, target, bandOf(input));
      const seam =
        fusions && between && expected
          ? seamLoss(repaired(parameters, fusions, spec.network), between, expected)
          : tf.scalar(0);
      kept.push(...[pixel, gradient, sharpness, seam].map((term) => tf.keep(term)));
      const weighted = [
        tf.mul(gradient, spec.loss.gradient),
        tf.mul(sharpness, spec.loss.sharpness),
        tf.mul(seam, spec.loss.seam),
      ];
      return weighted.reduce((sum: tf.Tensor, term) => tf.add(sum, term), pixel);
    },
    tensors,
    undefined,
    true,
  ) as { value: tf.Tensor; grads: tf.Tensor[] };
  const norm = update(spec, vectors, layout.flatten(grads), schedule);
  const results = tf.stack([value, ...kept, norm].map((scalar) => tf.reshape(scalar, [])));
  tf.dispose(kept);
  return results;
}

/** Clips and updates; the gradient's norm before clipping. */
function update(
  { optimiser: settings }: GeneratorSpec,
  { layout, decayed, parameters, slots }: GeneratorVectors,
  gradient: tf.Tensor,
  schedule: tf.Tensor,
): tf.Tensor {
  const optimiser = optimiserOf(settings);
  const { clipped, norm } = clipNorm(gradient, settings.clipNorm);
  const next = optimiser.update(
    { parameters, slots },
    {
      gradient: clipped,
      decayed,
      layout,
      learningRate: tf.slice(schedule, [0], [1]),
      scalars: tf.slice(schedule, [1], [schedule.size - 1]),
    },
  );
  parameters.assign(next.parameters);
  for (const name of optimiser.slots) slots[name]!.assign(next.slots[name]!);
  return norm;
}
