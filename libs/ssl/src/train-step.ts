import type { Medformer } from '@medformer/medformer';
import { MedformerError, type OptimiserSpec, type RunSpec, type StoredTensor } from '@medformer/schema';
import { tf } from '@medformer/tensorflow';
import { l2Normalise } from './losses/nt-xent.js';
import { methodOf } from './methods/registry.js';
import { adamw } from './optimisers/adamw.js';
import { clipNorm } from './optimisers/clip-norm.js';

/** Inputs of one step, in order. Nothing that changes from step to step is baked into the step. */
export interface StepInputs {
  /** Standardised views, float32 [V * B, ...spatial, C]. */
  x: tf.Tensor;
  /** One-hot code rows [V * B, 1 + keys]. */
  modality: tf.Tensor;
  bodyPart: tf.Tensor;
  /** One-hot [B, C] or [B, 1]. */
  labels: tf.Tensor;
  /** [3]: learning rate, 1 - beta1^t, 1 - beta2^t. */
  schedule: tf.Tensor;
}

/** First and second moments of every parameter, under the parameter's name. */
export interface OptimiserSlots {
  m: Map<string, tf.Variable>;
  v: Map<string, tf.Variable>;
}

/** What a step reports: one tensor [4], so that one read brings all: loss, gradient norm, embedding std, accuracy. */
export const STEP_RESULTS = 4;

/**
 * The training step: forward, backward, clipping and AdamW, as one pure pass over tensors and variables.
 *
 * Parameters that the batch's images do not touch (the 3D patch embedding in a 2D step) get no update and no decay.
 * The optimiser works on one flat vector, so that its cost is a dozen ops, not a dozen per parameter.
 */
export function trainStep(
  spec: RunSpec,
  model: Medformer,
  slots: OptimiserSlots,
  inputs: StepInputs,
): tf.Tensor {
  const method = methodOf(spec.method);
  const { x, modality, bodyPart, labels, schedule } = inputs;
  const named = model.parameters.entries();
  const health: { embeddingStd?: tf.Tensor; accuracy?: tf.Tensor } = {};
  const { value, grads } = tf.variableGrads(
    () => {
      const { loss, h, accuracy } = method.loss(spec.method, model, { x, modality, bodyPart }, labels);
      health.embeddingStd = tf.keep(embeddingStd(h));
      health.accuracy = tf.keep(accuracy ?? tf.scalar(0));
      return loss;
    },
    named.map(([, variable]) => variable),
  );
  const touched = named.filter(([, variable]) => grads[variable.name]);
  const gradient = flatten(touched.map(([, variable]) => grads[variable.name]!));
  const { clipped, norm } = clipNorm(gradient, spec.optimiser.clipNorm);
  update(touched, slots, clipped, schedule, spec.optimiser);
  const results = tf.stack(
    [value, norm, health.embeddingStd!, health.accuracy!].map((scalar) => tf.reshape(scalar, [])),
  );
  health.embeddingStd!.dispose();
  health.accuracy!.dispose();
  return results;
}

/**
 * Moments for every parameter: zero, or as a checkpoint stored them under `m/<parameter>` and `v/<parameter>`.
 * @throws MedformerError DATA_LOSS naming a moment that is missing or of another shape
 */
export function newSlots(model: Medformer, stored?: ReadonlyMap<string, StoredTensor>): OptimiserSlots {
  const named = model.parameters.entries();
  if (stored) for (const moment of ['m', 'v']) for (const each of named) requireMoment(moment, each, stored);
  const moments = (moment: string) =>
    new Map(
      named.map(([name, { shape }]) => {
        const values = stored?.get(`${moment}/${name}`)?.data as Float32Array | undefined;
        const start = () => (values ? tf.tensor(values, shape, 'float32') : tf.zeros(shape));
        return [name, tf.tidy(() => tf.variable(start(), false))];
      }),
    );
  return { m: moments('m'), v: moments('v') };
}

function requireMoment(
  moment: string,
  [name, { shape }]: [string, tf.Variable],
  stored: ReadonlyMap<string, StoredTensor>,
): void {
  const found = stored.get(`${moment}/${name}`);
  if (found?.dtype === 'F32' && found.shape.join() === shape.join()) return;
  throw new MedformerError(
    'DATA_LOSS',
    `checkpoint: optimiser slot ${moment}/${name}: expected F32 [${shape}], found ${found ? `${found.dtype} [${found.shape}]` : 'none'}`,
  );
}

/** Weight decay spares biases, norms and codes, as is usual: only matrices that mix features decay. */
export function isDecayed(name: string): boolean {
  return name.endsWith('/weight');
}

function update(
  touched: [string, tf.Variable][],
  slots: OptimiserSlots,
  gradient: tf.Tensor,
  schedule: tf.Tensor,
  optimiser: OptimiserSpec,
): void {
  const decayed = flatten(touched.map(([name, { shape }]) => tf.fill(shape, isDecayed(name) ? 1 : 0)));
  const before = {
    parameters: flatten(touched.map(([, variable]) => variable)),
    m: flatten(touched.map(([name]) => slots.m.get(name)!)),
    v: flatten(touched.map(([name]) => slots.v.get(name)!)),
  };
  const after = adamw(
    before,
    gradient,
    decayed,
    tf.slice(schedule, [0], [1]),
    tf.slice(schedule, [1], [2]),
    optimiser,
  );
  const sizes = touched.map(([, variable]) => variable.size);
  const [parameters, m, v] = [after.parameters, after.m, after.v].map((flat) => tf.split(flat, sizes)) as [
    tf.Tensor[],
    tf.Tensor[],
    tf.Tensor[],
  ];
  touched.forEach(([name, variable], index) => {
    variable.assign(tf.reshape(parameters[index]!, variable.shape));
    slots.m.get(name)!.assign(tf.reshape(m[index]!, variable.shape));
    slots.v.get(name)!.assign(tf.reshape(v[index]!, variable.shape));
  });
}

function flatten(tensors: tf.Tensor[]): tf.Tensor {
  return tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1])));
}

/**
 * Mean over features of the standard deviation of the L2-normalised embeddings [N, D], times sqrt(D): near 1 when they
 * spread over all directions, near 0 on collapse (Chen and He 2021, section 4.1).
 */
function embeddingStd(h: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const unit = l2Normalise(h);
    const spread = tf.sqrt(tf.mean(tf.square(tf.sub(unit, tf.mean(unit, 0, true))), 0));
    return tf.mul(tf.mean(spread), Math.sqrt(h.shape[1]!));
  });
}
