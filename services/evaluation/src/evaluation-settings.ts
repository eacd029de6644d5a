import type { ObjectStoreConfig } from '@medformer/object-store';

/** What the controller hands on to its compute process with every request. */
export interface EvaluationSettings {
  store: ObjectStoreConfig;
  /** The code that computes the scores; equal requests to other code are computed anew. */
  codeVersion: string;
  threads?: number;
  /** Evaluations that are computed at once. */
  atOnce: number;
  /** Evaluations that may wait for their turn. */
  mostWaiting: number;
}

export const EVALUATION_SETTINGS = Symbol('EVALUATION_SETTINGS');
export const EVALUATION_PROCESS = Symbol('EVALUATION_PROCESS');
