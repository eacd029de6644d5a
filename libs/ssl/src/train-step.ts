import type { Medformer } from '@medformer/medformer';
import { clipNorm, type Optimiser, optimiserOf, type ParameterLayout } from '@medformer/optimisers';
import type { RunSpec } from '@medformer/schema';
import { ALONE, type Replicas, tf } from '@medformer/tensorflow';
import type { BatchShare } from './batch-share.js';
import { type BatchHealth, batchHealth, embeddingStd } from './health/embedding-health.js';
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
  /** Which of the batch this process computes; of the step, like its shapes. All when absent. */
  share?: BatchShare;
  /** [1], where processes share the batch: above 0 in a process that was told to stop. */
  stop?: tf.Tensor;
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
  /** The processes that share each batch; this one alone when absent. */
  replicas?: Replicas;
}

/**
 * The training step: forward, backward, clipping and the optimiser, as one pure pass over tensors and vectors.
 * Returns one tensor [7], so that one read brings all: loss, gradient norm, embedding std, accuracy, NaN where the method
 * predicts nothing, the embeddings' effective and centred rank, and whether a process was told to stop.
 *
 * Where processes share the batch, one all-reduce brings the gradient and the results of the whole batch to all of them
 * before anything is clipped: from there on they compute the same.
 *
 * Parameters that the batch's images do not touch (the 3D patch embedding in a 2D step), and frozen ones, get no update
 * and no decay. `touched` says which have a gradient, in the layout's order.
 */
export function trainStep(
  context: StepContext,
  vectors: TrainVectors,
  inputs: StepInputs,
): { results: tf.Tensor; touched: boolean[] } {
  const { touched, ...own } = batchGradient(context, vectors, inputs);
  const { gradient, results } = ofAll(context, own, inputs.stop);
  const norm = applyGradient(context, vectors, gradient!, touched, inputs.schedule);
  return { results: reported(results, norm), touched };
}

/**
 * One part of a step's batch: adds its gradient, of this process's share, divided by the number of parts, to what is
 * gathered. The gradient norm it reports is 0.
 */
export function gatherStep(
  context: StepContext,
  vectors: TrainVectors,
  inputs: StepInputs,
): { results: tf.Tensor; touched: boolean[] } {
  const { gradient, touched, results: own } = batchGradient(context, vectors, inputs);
  const { results } = ofAll(context, { results: own }, inputs.stop);
  const gathered = vectors.gathered!;
  gathered.assign(tf.add(gathered, tf.div(gradient, context.spec.accumulate)));
  return { results: reported(results, tf.scalar(0)), touched };
}

/**
 * Ends a step computed in parts: updates by what is gathered, in all processes, which is 0 again afterwards. Its gradient
 * norm, [1].
 */
export function applyStep(
  context: StepContext,
  vectors: TrainVectors,
  touched: readonly boolean[],
  schedule: tf.Tensor,
): tf.Tensor {
  const gathered = vectors.gathered!;
  const { size, mean } = replicasOf(context);
  const gradient = size > 1 ? mean(gathered) : gathered;
  const norm = applyGradient(context, vectors, gradient, touched, schedule);
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

/** The gradient [P] of the method's loss, or of this process's share of it, and the step's results without the gradient norm. */
export function batchGradient(
  { spec, model, layout, frozen, trained, parts = 1 }: StepContext,
  vectors: TrainVectors,
  { x, modality, bodyPart, labels, task, schedule, drawn, share }: StepInputs,
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
    ...(share ? { share } : {}),
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
      // As many views have a gradient as there are rows for: a teacher's have none.
      const rows = share ? share.rows(h.shape[0]!) : h.shape[0]!;
      const images = share ? share.rows(labels.shape[0]!) : labels.shape[0]!;
      const views = Math.min(method.policies.length, rows / images);
      const { variance, rank, centred } = batchHealth(h, views, share);
      kept.push(...[variance, accuracy ?? tf.scalar(Number.NaN), rank, centred].map((each) => tf.keep(each)));
      return loss as tf.Tensor;
    },
    frozen ? parameters.filter((_, index) => !frozen.has(layout.names[index]!)) : parameters,
    undefined,
    true,
  ) as { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
  const found = [...grads];
  const all = layout.names.map((name) => (frozen?.has(name) ? undefined : found.shift()));
  // Copies that the caller's tidy frees; the kept ones are freed here.
  const [variance, accuracy, rank, centred] = kept.map((tensor) => {
    const copy = tf.reshape(tensor, tensor.shape);
    tensor.dispose();
    return copy;
  }) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const touched = all.map((gradient) => gradient !== undefined && gradient !== null);
  const gradient = layout.flatten(all);
  return {
    gradient: trained ? tf.mul(gradient, trained) : gradient,
    touched,
    results: { loss: value, accuracy, variance, rank, centred } as BatchResults,
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

/** Of this process's share, or of the whole batch. */
interface BatchResults extends BatchHealth {
  loss: tf.Tensor;
  accuracy: tf.Tensor;
  stop?: tf.Tensor;
}

/** What the processes' shares come to, by one all-reduce. */
function ofAll(
  context: StepContext,
  { gradient, results }: { gradient?: tf.Tensor; results: BatchResults },
  stop: tf.Tensor | undefined,
): { gradient?: tf.Tensor; results: BatchResults } {
  const { size, mean } = replicasOf(context);
  if (size === 1) return { ...(gradient ? { gradient } : {}), results };
  const { loss, accuracy, variance } = results;
  const own = [...(gradient ? [gradient] : []), loss, accuracy, variance, stop ?? tf.zeros([1])];
  const reduced = tf.split(
    mean(tf.concat(own.map((tensor) => tf.reshape(tensor, [tensor.size])))),
    own.map((tensor) => tensor.size),
  );
  const [allStop, allVariance, allAccuracy, allLoss] = reduced.slice(-4).reverse() as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  return {
    ...(gradient ? { gradient: reduced[0]! } : {}),
    results: { ...results, loss: allLoss, accuracy: allAccuracy, variance: allVariance, stop: allStop },
  };
}

function replicasOf({ replicas = ALONE }: StepContext): Pick<Replicas, 'size' | 'mean'> {
  return { size: replicas.size, mean: (x) => replicas.mean(x) };
}

function reported(
  { loss, variance, accuracy, rank, centred, stop }: BatchResults,
  norm: tf.Tensor,
): tf.Tensor {
  const scalars = [loss, norm, embeddingStd(variance), accuracy, rank, centred, stop ?? tf.scalar(0)];
  return tf.stack(scalars.map((scalar) => tf.reshape(scalar, [])));
}
