import type { Medformer } from '@medformer/medformer';
import { clipNorm, type Optimiser, optimiserOf, type ParameterLayout } from '@medformer/optimisers';
import type { RunSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { centredRank, effectiveRank, embeddingStd } from './health/embedding-health.js';
import type { MethodLoss } from './methods/method.js';
import { methodOf } from './methods/registry.js';

/** Inputs of one step. Nothing that changes from step to step is baked into the step. */
export interface StepInputs {
  /** Standardised views, float32 [rows, ...spatial, C]. */
  x: tf.Tensor;
  /** One-hot code rows [rows, 1 + keys]. */
  modality: tf.Tensor;
  bodyPart: tf.Tensor;
  /** Probabilities [B, C], see `LossInput`, or [B, 1]. */
  labels: tf.Tensor;
  /** Whose labels they are, in a run of several tasks: of the step, like its shapes. */
  task?: string;
  /** [3 + k]: learning rate, decay of the moving average, ramp of the unsupervised term, the optimiser's k scalars. */
  schedule: tf.Tensor;
  /** What the method drew on the host. */
  drawn: Record<string, tf.Tensor>;
}

/** The vectors [P] that a step changes. */
export interface TrainVectors {
  parameters: tf.Variable;
  slots: Record<string, tf.Variable>;
  /** Moving average of the parameters, where the run keeps one. */
  average?: tf.Variable;
  /** Gradient gathered so far, where a step is computed in parts. */
  gathered?: tf.Variable;
}

/** What stays the same over all steps of a run. */
export interface StepContext {
  spec: RunSpec;
  /** For its shape; a step reads its weights from the vectors. */
  model: Medformer;
  layout: ParameterLayout;
  /** [P]: 1 where weight decay applies, else 0. */
  decayed: tf.Tensor;
  /** Names of parameters that are computed with but never change. */
  frozen?: ReadonlySet<string>;
  /** [P]: 1 where an element changes; absent where all may. */
  trained?: tf.Tensor;
  /** Parts of a batch that are computed side by side. */
  parts?: number;
}

/**
 * The training step: forward, backward, clipping and the optimiser, as one pure pass over tensors and vectors.
 * Returns one tensor [6], so that one read brings all: loss, gradient norm, embedding std, accuracy, NaN where the method
 * predicts nothing, and the embeddings' effective and centred rank.
 *
 * Parameters that the batch's images do not touch (the 3D patch embedding in a 2D step), and frozen ones, get no update
 * and no decay. `touched` says which have a gradient, in the layout's order.
 */
export function trainStep(
  context: StepContext,
  vectors: TrainVectors,
  inputs: StepInputs,
): { results: tf.Tensor; touched: boolean[] } {
  const { gradient, touched, results } = batchGradient(context, vectors, inputs);
  const norm = applyGradient(context, vectors, gradient, touched, inputs.schedule);
  return { results: reported(results, norm), touched };
}

/**
 * One part of a step's batch: adds its gradient, divided by the number of parts, to what is gathered. The gradient
 * norm it reports is 0.
 */
export function gatherStep(
  context: StepContext,
  vectors: TrainVectors,
  inputs: StepInputs,
): { results: tf.Tensor; touched: boolean[] } {
  const { gradient, results, touched } = batchGradient(context, vectors, inputs);
  const gathered = vectors.gathered!;
  gathered.assign(tf.add(gathered, tf.div(gradient, context.spec.accumulate)));
  return { results: reported(results, tf.scalar(0)), touched };
}

/** Ends a step computed in parts: updates by what is gathered, which is 0 again afterwards. Its gradient norm, [1]. */
export function applyStep(
  context: StepContext,
  vectors: TrainVectors,
  touched: readonly boolean[],
  schedule: tf.Tensor,
): tf.Tensor {
  const gathered = vectors.gathered!;
  const norm = applyGradient(context, vectors, gathered, touched, schedule);
  gathered.assign(tf.zerosLike(gathered));
  return tf.reshape(norm, [1]);
}

/** Sees a step from inside while it is computed op by op. */
export interface StepObserver {
  /** Before the forward pass. */
  parameters(named: ReadonlyMap<string, tf.Tensor>): void;
  /** After the forward pass. */
  loss(made: MethodLoss): void;
}

/** The gradient [P] of the method's loss, and the step's results without the gradient norm. */
export function batchGradient(
  { spec, model, layout, frozen, trained, parts = 1 }: StepContext,
  vectors: TrainVectors,
  { x, modality, bodyPart, labels, task, schedule, drawn }: StepInputs,
  observer?: StepObserver,
): {
  gradient: tf.Tensor;
  touched: boolean[];
  results: BatchResults;
} {
  const method = methodOf(spec.method);
  const parameters = layout.split(vectors.parameters);
  const named = new Map(layout.names.map((name, index) => [name, parameters[index]!]));
  observer?.parameters(named);
  const { precision } = spec;
  const student = model.reading(named, { parts, precision });
  const given = {
    labels,
    ...(task === undefined ? {} : { task }),
    drawn,
    ramp: tf.reshape(tf.slice(schedule, [2], [1]), []),
    ...(vectors.average
      ? { teacher: model.reading(layout.byName(vectors.average), { parts, precision }) }
      : {}),
  };
  const kept: tf.Tensor[] = [];
  const { value, grads } = tf.engine().gradients(
    () => {
      const made = method.loss(spec.method, student, { x, modality, bodyPart }, given);
      observer?.loss(made);
      const { loss, h, accuracy } = made;
      kept.push(tf.keep(embeddingStd(h)), tf.keep(accuracy ?? tf.scalar(Number.NaN)));
      kept.push(tf.keep(effectiveRank(h)), tf.keep(centredRank(h)));
      return loss as tf.Tensor;
    },
    frozen ? parameters.filter((_, index) => !frozen.has(layout.names[index]!)) : parameters,
    undefined,
    true,
  ) as { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
  const found = [...grads];
  const all = layout.names.map((name) => (frozen?.has(name) ? undefined : found.shift()));
  // Copies that the caller's tidy frees; the kept ones are freed here.
  const [std, accuracy, rank, centred] = kept.map((tensor) => {
    const copy = tf.reshape(tensor, []);
    tensor.dispose();
    return copy;
  }) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const touched = all.map((gradient) => gradient !== undefined && gradient !== null);
  const gradient = layout.flatten(all);
  return {
    gradient: trained ? tf.mul(gradient, trained) : gradient,
    touched,
    results: { loss: value, std, accuracy, rank, centred },
  };
}

/** Clips, updates parameters, slots and moving average; the gradient's norm before clipping. */
function applyGradient(
  { spec, layout, decayed, trained }: StepContext,
  vectors: TrainVectors,
  gradient: tf.Tensor,
  touched: readonly boolean[],
  schedule: tf.Tensor,
): tf.Tensor {
  const optimiser: Optimiser = optimiserOf(spec.optimiser);
  const { clipped, norm } = clipNorm(gradient, spec.optimiser.clipNorm);
  const scalar = (at: number) => tf.slice(schedule, [at], [1]);
  const { parameters, slots } = optimiser.update(
    { parameters: vectors.parameters, slots: vectors.slots },
    {
      gradient: clipped,
      decayed,
      layout,
      learningRate: scalar(0),
      scalars: tf.slice(schedule, [3], [schedule.size - 3]),
    },
  );
  const reached = touched.every(Boolean) ? undefined : layout.fill((_, index) => (touched[index] ? 1 : 0));
  const mask = reached && trained ? tf.mul(reached, trained) : (reached ?? trained);
  const assign = (vector: tf.Variable, next: tf.Tensor) =>
    vector.assign((mask ? tf.where(tf.greater(mask, 0), next, vector) : next) as tf.Tensor);
  assign(vectors.parameters, parameters);
  for (const name of optimiser.slots) assign(vectors.slots[name]!, slots[name]!);
  if (vectors.average) {
    const decay = scalar(1);
    const fresh = tf.mul(vectors.parameters, tf.sub(1, decay));
    const average = tf.add(tf.mul(vectors.average, decay), fresh);
    vectors.average.assign(trained ? tf.where(tf.greater(trained, 0), average, vectors.average) : average);
  }
  return norm;
}

interface BatchResults {
  loss: tf.Tensor;
  std: tf.Tensor;
  accuracy: tf.Tensor;
  rank: tf.Tensor;
  centred: tf.Tensor;
}

function reported({ loss, std, accuracy, rank, centred }: BatchResults, norm: tf.Tensor): tf.Tensor {
  return tf.stack([loss, norm, std, accuracy, rank, centred].map((scalar) => tf.reshape(scalar, [])));
}
