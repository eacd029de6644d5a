import { learningRateAt } from '@medformer/optimisers';
import { type GeneratorEntry, type GeneratorSpec, MedformerError } from '@medformer/schema';
import type { FusionSource } from '../fusion-source.js';
import { GeneratorBatches } from './generator-batch.js';
import { GeneratorSession, type StoredGenerator } from './generator-session.js';

/** Everything of a run that its seed and step do not give back. */
export interface GeneratorState extends StoredGenerator {
  step: number;
  channels: number;
  history: GeneratorEntry[];
}

export interface GeneratorReport extends GeneratorEntry {
  stepMs: number;
  /** Time this thread took to make the next step's pairs, while TensorFlow's threads ran this one. */
  pairsMs: number;
}

export interface GeneratorRun {
  spec: GeneratorSpec;
  /** Of any split: those of `spec.fusion.split` are learnt from. */
  scans: readonly FusionSource[];
  /** Continue from here. */
  resume?: Omit<GeneratorState, 'channels'>;
  signal: AbortSignal;
  onStep(report: GeneratorReport): void;
  /** Awaited, so that a run never gets ahead of what is stored. */
  onCheckpoint(state: GeneratorState): Promise<void>;
}

/**
 * Trains a generator to the last step or until the signal fires; then the state reached is handed to `onCheckpoint` first.
 * Needs the native backend. The same spec and scans give the same weights, whether or not the run was interrupted.
 *
 * @throws MedformerError CANCELLED; FAILED_PRECONDITION naming step and loss when the loss is not finite, with nothing of
 *   that step handed on, or when there are no patients to fuse
 */
export async function trainGenerator(run: GeneratorRun): Promise<GeneratorState> {
  const { spec, signal } = run;
  const batches = new GeneratorBatches(spec, run.scans);
  const { channels } = batches;
  const session = new GeneratorSession(spec, channels, run.resume);
  const history = [...(run.resume?.history ?? [])];
  const start = run.resume?.step ?? 0;
  const stateAt = (step: number): GeneratorState => ({
    step,
    channels,
    ...session.stored(),
    history: [...history],
  });
  try {
    let batch = start < spec.steps ? batches.at(start + 1) : undefined;
    for (let step = start + 1; batch && step <= spec.steps; step += 1) {
      const began = performance.now();
      const running = session.step(step, batch);
      // While the step runs on TensorFlow's threads, this thread makes the pairs of the next one.
      const pairsBegan = performance.now();
      const next = step < spec.steps ? batches.at(step + 1) : undefined;
      const pairsMs = performance.now() - pairsBegan;
      const [loss, pixel, gradient, sharpness, seam, gradientNorm] = await running;
      if (![loss, gradientNorm].every(Number.isFinite))
        throw new MedformerError(
          'FAILED_PRECONDITION',
          `generator: step ${step}: loss ${loss}, gradient norm ${gradientNorm}: not finite`,
        );
      const entry: GeneratorEntry = {
        step,
        learningRate: learningRateAt(step, spec.steps, spec.optimiser),
        loss,
        pixel,
        gradient,
        sharpness,
        ...(spec.loss.seam > 0 ? { seam } : {}),
        gradientNorm,
      };
      history.push(entry);
      run.onStep({ ...entry, stepMs: performance.now() - began, pairsMs });
      const last = step === spec.steps;
      if (step % spec.checkpointEvery === 0 || last || signal.aborted) await run.onCheckpoint(stateAt(step));
      if (last) return stateAt(step);
      if (signal.aborted)
        throw new MedformerError(
          'CANCELLED',
          `generator: stopped after step ${step} of ${spec.steps}; start it again to go on`,
        );
      batch = next;
    }
    return stateAt(start);
  } finally {
    session.dispose();
  }
}
