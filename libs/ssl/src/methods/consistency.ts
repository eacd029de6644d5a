import { VIEW_POLICIES } from '@medformer/augment';
import type { Medformer, ModelInput } from '@medformer/medformer';
import { MedformerError, type MethodSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { consistency as consistencyLoss, embeddingConsistency, rampUp } from '../losses/consistency.js';
import { accuracyOf, crossEntropy } from '../losses/cross-entropy.js';
import { expectedOfHead } from './expected-of-classes.js';
import type { Method } from './method.js';

type ConsistencySpec = Extract<MethodSpec, { name: 'consistency' }>;

/**
 * Consistency regularisation: labelled images teach the class, and all images, labelled or not, that a prediction does
 * not change with the view. The student sees the stronger view, its teacher the weaker one: the moving average of its
 * weights (Mean Teacher, Tarvainen and Valpola 2017), or itself (the Pi model, Laine and Aila 2017), never with a
 * gradient. Loss = cross entropy of the labelled rows + weight ramp(t) consistency(student, teacher).
 */
export const consistency: Method<ConsistencySpec> = {
  name: 'consistency',
  policies: VIEW_POLICIES.consistency,
  loss(spec, model, input, { labels, teacher, ramp }) {
    const images = labels.shape[0]!;
    const student = predictions(spec, model, rows(input, 0, images));
    const supervised = crossEntropy(student.logits, labels, spec.labelSmoothing);
    const unsupervised = agreement(spec, student, () =>
      predictions(spec, teacherOf(spec, model, teacher), rows(input, images, images)),
    );
    return {
      loss: unsupervised ? (tf.add(supervised, tf.mul(ramp, unsupervised)) as tf.Scalar) : supervised,
      h: student.h,
      accuracy: accuracyOf(student.logits, labels),
      terms: () => ({ supervised, ...(unsupervised ? { unsupervised: unsupervised as tf.Scalar } : {}) }),
    };
  },
  ramp: ({ rampShare }, step, steps) => rampUp(step, rampShare * steps),
  /** Of the labelled images; the consistency weighs next to nothing at the start and is 0 at its best. */
  expected: (spec, _batch, heads) => expectedOfHead(heads[0]!, spec),
};

interface Predictions {
  logits: tf.Tensor;
  /** What the head reads, [B, D]. */
  h: tf.Tensor;
  /** The model's embedding, where it is to agree as well. */
  pooled?: tf.Tensor;
}

function predictions(spec: ConsistencySpec, model: Medformer, input: ModelInput): Predictions {
  const latents = model.latents(input);
  const h = model.represent(latents, spec.task);
  return {
    logits: model.decide(h, model.headOf(spec.task)),
    h,
    ...(spec.embeddingWeight > 0 ? { pooled: model.pool(latents) } : {}),
  };
}

/** The weighted disagreement with the teacher; undefined, and no teacher is asked, where it has no weight. */
function agreement(
  { weight, embeddingWeight, distance }: ConsistencySpec,
  student: Predictions,
  askTeacher: () => Predictions,
): tf.Tensor | undefined {
  if (weight === 0 && embeddingWeight === 0) return undefined;
  const teacher = askTeacher();
  const cost = tf.mul(consistencyLoss(student.logits, tf.softmax(teacher.logits), distance), weight);
  if (embeddingWeight === 0) return cost;
  return tf.add(cost, tf.mul(embeddingConsistency(student.pooled!, teacher.pooled!), embeddingWeight));
}

function teacherOf(spec: ConsistencySpec, student: Medformer, average: Medformer | undefined): Medformer {
  if (spec.teacher === 'none') return student;
  if (average) return average;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    'spec: ema: the teacher is the moving average of the weights, and the run keeps none',
  );
}

/** The images of one view. */
function rows({ x, modality, bodyPart }: ModelInput, from: number, count: number): ModelInput {
  const of = (tensor: tf.Tensor) =>
    tf.slice(tensor, [from, ...tensor.shape.slice(1).map(() => 0)], [count, ...tensor.shape.slice(1)]);
  return { x: of(x), modality: of(modality), bodyPart: of(bodyPart) };
}
