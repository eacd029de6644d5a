import { VIEW_POLICIES } from '@medformer/augment';
import type { Medformer, ModelInput } from '@medformer/medformer';
import { MedformerError, type MethodSpec } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { BatchShare } from '../batch-share.js';
import { consistency as consistencyLoss, embeddingConsistency, rampUp } from '../losses/consistency.js';
import { accuracyOf, crossEntropy, labelledRows } from '../losses/cross-entropy.js';
import { expectedOfHead } from './expected-of-classes.js';
import { type Method, MIXING } from './method.js';

type ConsistencySpec = Extract<MethodSpec, { name: 'consistency' }>;

/**
 * Consistency regularisation: labelled images teach the class, and all images, labelled or not, that a prediction does
 * not change with the view. The student sees the stronger view, its teacher the weaker one: the moving average of its
 * weights (Mean Teacher, Tarvainen and Valpola 2017), or itself (the Pi model, Laine and Aila 2017), never with a
 * gradient. Loss = cross entropy of the labelled rows + weight ramp(t) consistency(student, teacher).
 *
 * The target of a fusion of images of the batch is what the teacher says of these images, mixed by how much of each is in
 * it: interpolation consistency (Verma et al. 2019) with regions in place of one weight. A fusion of labelled
 * images teaches the mixture of their labels as well.
 */
export const consistency: Method<ConsistencySpec> = {
  name: 'consistency',
  policies: VIEW_POLICIES.consistency,
  loss(spec, model, input, { labels, teacher, ramp, drawn, share = BatchShare.WHOLE }) {
    const images = labels.shape[0]!;
    const student = predictions(spec, model, rows(input, 0, images));
    const labelled = labelledRows(labels, share);
    const supervised = crossEntropy(student.logits, labels, spec.labelSmoothing, share, labelled);
    const mixing = drawn[MIXING];
    const sources = mixing ? images - mixing.shape[0]! : images;
    const unsupervised = agreement(spec, student, { mixing, share }, () =>
      predictions(spec, teacherOf(spec, model, teacher), rows(input, images, sources)),
    );
    return {
      loss: unsupervised ? (tf.add(supervised, tf.mul(ramp, unsupervised)) as tf.Scalar) : supervised,
      h: student.h,
      accuracy: accuracyOf(student.logits, labels, share, labelled),
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

/**
 * The weighted disagreement with the teacher; undefined, and no teacher is asked, where it has no weight.
 * @param mixing [own fusions, all images] where the student's last rows are fusions of the batch's images
 */
function agreement(
  { weight, embeddingWeight, distance, target }: ConsistencySpec,
  student: Predictions,
  { mixing, share }: { mixing: tf.Tensor | undefined; share: BatchShare },
  askTeacher: () => Predictions,
): tf.Tensor | undefined {
  if (weight === 0 && embeddingWeight === 0) return undefined;
  const teacher = askTeacher();
  const images = teacher.logits.shape[0]!;
  const seen = (tensor: tf.Tensor) => (mixing && target === 'fusion' ? fusionsOf(tensor, images) : tensor);
  const wanted = (tensor: tf.Tensor) => (mixing ? mixed(tensor, mixing, target, share) : tensor);
  const rows = mixing && target === 'fusion' ? share.segment(1) : share;
  const cost = tf.mul(
    consistencyLoss(seen(student.logits), wanted(tf.softmax(teacher.logits)), distance, rows),
    weight,
  );
  if (embeddingWeight === 0) return cost;
  const embeddings = embeddingConsistency(seen(student.pooled!), wanted(teacher.pooled!), rows);
  return tf.add(cost, tf.mul(embeddings, embeddingWeight));
}

/** What is said of the images, mixed for each fusion; for both targets that of the images first. */
function mixed(
  ofImages: tf.Tensor,
  mixing: tf.Tensor,
  target: ConsistencySpec['target'],
  share: BatchShare,
): tf.Tensor {
  // A fusion may be of images of other processes.
  const ofAll = share.segment(0).gather(ofImages, 1);
  const ofFusions = tf.matMul(mixing as tf.Tensor2D, ofAll as tf.Tensor2D);
  return target === 'both' ? tf.concat([ofImages, ofFusions]) : ofFusions;
}

function fusionsOf(tensor: tf.Tensor, images: number): tf.Tensor {
  const [all, width] = tensor.shape as [number, number];
  return tf.slice(tensor, [images, 0], [all - images, width]);
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
