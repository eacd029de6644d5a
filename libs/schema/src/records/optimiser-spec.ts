import { z } from 'zod';

const Rate = z.number().min(0);
const Positive = z.number().positive();
const Decay = z.number().min(0).lt(1);

/** What the learning rate does after the warm-up. Shares are of all steps of the run. */
export const ScheduleSpec = z.discriminatedUnion(
  'name',
  [
    /** Half a cosine down to `finalLearningRate`, reached at the last step. */
    z.strictObject({ name: z.literal('cosine') }),
    z.strictObject({ name: z.literal('constant') }),
    /** Times `factor` after each share of the steps, as MedMNIST's benchmark does. */
    z.strictObject({
      name: z.literal('steps'),
      at: z.array(z.number().gt(0).lt(1)).min(1).default([0.5, 0.75]),
      factor: Positive.default(0.1),
    }),
  ],
  { error: 'expected cosine, constant or steps' },
);
export type ScheduleSpec = z.infer<typeof ScheduleSpec>;

/** Fields that every optimiser has, with its own defaults. */
function common(defaults: {
  learningRate: number;
  finalLearningRate: number;
  weightDecay: number;
  clipNorm: number;
}) {
  return {
    /** The peak, at the end of the warm-up, before `rateScaling`. */
    learningRate: Positive.default(defaults.learningRate),
    /** Every rate of the run times batchSize / 256 (Goyal et al. 2017), or times its square root. */
    rateScaling: z.enum(['none', 'linear', 'sqrt']).default('none'),
    /** Linear warm-up: the rate of step t is t / warmupSteps of the peak. */
    warmupSteps: z.number().int().min(0).default(20),
    schedule: ScheduleSpec.prefault({ name: 'cosine' }),
    /** Where the cosine ends; other schedules have no use for it. */
    finalLearningRate: Rate.default(defaults.finalLearningRate),
    weightDecay: Rate.default(defaults.weightDecay),
    /**
     * Names of the parameters that weight decay applies to: a star stands for anything, a leading `!` takes out again,
     * and the last pattern that fits decides. By default biases, gains, codes and latents are spared.
     */
    decayed: z
      .array(z.string().regex(/^!?[\w*./-]+$/, 'expected a parameter name with * for anything'))
      .default(['*/weight']),
    /** Largest global gradient norm; 0 switches clipping off. */
    clipNorm: Rate.default(defaults.clipNorm),
  };
}

/** How a run steps from gradients to weights. Without a name it is AdamW. */
export const OptimiserSpec = z.discriminatedUnion(
  'name',
  [
    /** Adam with decoupled weight decay (Loshchilov and Hutter 2019). */
    z.strictObject({
      name: z.literal('adamw').optional().default('adamw'),
      ...common({ learningRate: 1e-3, finalLearningRate: 1e-5, weightDecay: 0.05, clipNorm: 1 }),
      beta1: Decay.default(0.9),
      beta2: Decay.default(0.95),
    }),
    /** Adam (Kingma and Ba 2015); weight decay is added to the gradient. */
    z.strictObject({
      name: z.literal('adam'),
      ...common({ learningRate: 1e-3, finalLearningRate: 1e-5, weightDecay: 0, clipNorm: 1 }),
      beta1: Decay.default(0.9),
      beta2: Decay.default(0.999),
    }),
    /** Gradient descent with momentum (Sutskever et al. 2013); weight decay is added to the gradient. */
    z.strictObject({
      name: z.literal('sgd'),
      ...common({ learningRate: 0.03, finalLearningRate: 0, weightDecay: 1e-4, clipNorm: 1 }),
      momentum: Decay.default(0.9),
      nesterov: z.boolean().default(false),
    }),
    /** Gradient descent with one rate per tensor (You et al. 2017), for large batches. */
    z.strictObject({
      name: z.literal('lars'),
      ...common({ learningRate: 0.2, finalLearningRate: 0, weightDecay: 1e-6, clipNorm: 0 }),
      momentum: Decay.default(0.9),
      /** eta: the share of a tensor's norm that a step of rate 1 moves it by. */
      trust: Positive.default(1e-3),
      /**
       * Peers disagree. `barlow-twins` (facebookresearch/barlowtwins): trust |w| / |g + decay w|, or 1 where a norm is
       * 0. `lightly`: trust |w| / (|g| + decay |w|), and neither decay nor adaptation where a norm is 0.
       */
      convention: z.enum(['barlow-twins', 'lightly']).default('barlow-twins'),
      /** The rate of tensors with one axis, which are not adapted, over that of the others: 0.024 in Barlow Twins. */
      unadaptedRate: Positive.default(1),
    }),
  ],
  { error: 'expected adamw, adam, sgd or lars' },
);
export type OptimiserSpec = z.infer<typeof OptimiserSpec>;

/** The settings of the optimiser of this name. */
export type OptimiserOf<Name extends OptimiserSpec['name']> = Extract<OptimiserSpec, { name: Name }>;
