import type { OptimiserSpec } from '@medformer/schema';
import type { tf } from '@medformer/tensorflow';
import { adam } from './adam.js';
import type { AdamState } from './adam-moments.js';
import { adamw } from './adamw.js';
import { lars } from './lars.js';
import type { ParameterLayout } from './parameter-layout.js';
import { type MomentumState, sgd } from './sgd.js';

/** All parameters and what the optimiser keeps of each, as flat vectors [P]. */
export interface OptimiserState {
  parameters: tf.Tensor;
  /** By the name they are stored under. */
  slots: Record<string, tf.Tensor>;
}

/** What an update reads beside the state. */
export interface UpdateInput {
  /** [P], clipped. */
  gradient: tf.Tensor;
  /** [P]: 1 where weight decay applies, else 0. */
  decayed: tf.Tensor;
  layout: Pick<ParameterLayout, 'sizes' | 'shapes'>;
  /** [1]. */
  learningRate: tf.Tensor;
  /** What `scalars` gave for this step. */
  scalars: tf.Tensor;
}

export interface Optimiser {
  /** Vectors it keeps, all 0 at the start. */
  slots: readonly string[];
  /** Numbers that change from step to step, counted from 1; the learning rate apart. */
  scalars(step: number): number[];
  update(state: OptimiserState, input: UpdateInput): OptimiserState;
}

export function optimiserOf(spec: OptimiserSpec): Optimiser {
  switch (spec.name) {
    case 'adamw':
      return adaptive(spec, (state, { gradient, decayed, learningRate, scalars }) =>
        adamw(state, gradient, decayed, learningRate, scalars, spec),
      );
    case 'adam':
      return adaptive(spec, (state, { gradient, decayed, learningRate, scalars }) =>
        adam(state, gradient, decayed, learningRate, scalars, spec),
      );
    case 'sgd':
      return withMomentum((state, { gradient, decayed, learningRate }) =>
        sgd(state, gradient, decayed, learningRate, spec),
      );
    case 'lars':
      return withMomentum((state, { gradient, decayed, learningRate, layout: { sizes, shapes } }) => {
        const segments = { sizes, adapted: shapes.map((shape) => shape.length > 1) };
        return lars(state, gradient, decayed, learningRate, segments, spec);
      });
  }
}

function adaptive(
  { beta1, beta2 }: { beta1: number; beta2: number },
  step: (state: AdamState, input: UpdateInput) => AdamState,
): Optimiser {
  return {
    slots: ['m', 'v'],
    scalars: (at) => [1 - beta1 ** at, 1 - beta2 ** at],
    update({ parameters, slots }, input) {
      const next = step({ parameters, m: slots.m!, v: slots.v! }, input);
      return { parameters: next.parameters, slots: { m: next.m, v: next.v } };
    },
  };
}

function withMomentum(step: (state: MomentumState, input: UpdateInput) => MomentumState): Optimiser {
  return {
    slots: ['momentum'],
    scalars: () => [],
    update({ parameters, slots }, input) {
      const next = step({ parameters, momentum: slots.momentum! }, input);
      return { parameters: next.parameters, slots: { momentum: next.momentum } };
    },
  };
}
