import { type CodeKeys, Medformer, oneHotRows, type TaskHead } from '@medformer/medformer';
import {
  type HistoryEntry,
  MedformerError,
  type RunSpec,
  type StoredTensor,
  type ViewPolicy,
} from '@medformer/schema';
import { type RecordedStep, recordStep, tf } from '@medformer/tensorflow';
import { type HostBatch, makeBatch, type TrainingGroup } from './batch.js';
import { BatchPlan } from './batch-plan.js';
import { methodOf } from './methods/registry.js';
import { modalityGroups } from './modality-groups.js';
import { learningRateAt } from './optimisers/learning-rate.js';
import { newSlots, type OptimiserSlots, type StepInputs, trainStep } from './train-step.js';

/** Everything of a run that its seed and step do not give back. */
export interface RunState {
  step: number;
  /** Model parameters, projection heads among them. */
  weights: Map<string, StoredTensor>;
  /** `m/<parameter>` and `v/<parameter>`. */
  optimiser: Map<string, StoredTensor>;
  history: HistoryEntry[];
}

export interface StepReport extends HistoryEntry {
  stepMs: number;
  /** Time this thread took to make the next step's views, while TensorFlow's threads ran this one. */
  viewsMs: number;
  images: number;
  /** The step ran as one recorded function; false: op by op. */
  recorded: boolean;
}

export interface TrainRun {
  spec: RunSpec;
  groups: TrainingGroup[];
  codes: CodeKeys;
  heads: TaskHead[];
  /** Continue from here. */
  resume?: RunState;
  /** Start from these weights where names and shapes agree (another run's input Adaptformer, body and ends). */
  initialWeights?: ReadonlyMap<string, StoredTensor>;
  signal: AbortSignal;
  onStep(report: StepReport): void;
  /** Awaited, so that a run never gets ahead of what is stored. */
  onCheckpoint(state: RunState): Promise<void>;
  onWarning(message: string): void;
}

/**
 * Trains to the last step, or until the signal fires; then the state reached is handed to `onCheckpoint` first.
 * @throws MedformerError CANCELLED, or FAILED_PRECONDITION naming step and loss when the loss is not finite
 */
export async function trainRun(run: TrainRun): Promise<RunState> {
  const { spec, codes, signal } = run;
  const groups = spec.method.batching === 'by-modality' ? modalityGroups(run.groups) : run.groups;
  if (groups.length === 0)
    throw new MedformerError('FAILED_PRECONDITION', 'the dataset has no image to train on');
  const policies = methodOf(spec.method).policies.map(
    (policy) => ({ ...policy, ...spec.views }) as ViewPolicy,
  );
  const session = new TrainSession(run);
  const history = [...(run.resume?.history ?? [])];
  const plan = new BatchPlan(
    spec.seed,
    groups.map(({ records }) => records.length),
    spec.batchSize,
  );
  const start = run.resume?.step ?? 0;
  plan.skip(start);
  const produce = (step: number) => makeBatch(spec, groups, codes, policies, step, plan.next());
  try {
    let stored = start;
    let prepared = start < spec.steps ? produce(start + 1) : undefined;
    for (let step = start + 1; prepared && step <= spec.steps; step += 1) {
      const began = performance.now();
      const running = session.step(step, prepared);
      // While the step runs on TensorFlow's threads, this thread makes the views of the next one.
      const viewsBegan = performance.now();
      const next = step < spec.steps ? produce(step + 1) : undefined;
      const viewsMs = performance.now() - viewsBegan;
      const { results, recorded } = await running;
      const [loss, gradientNorm, embeddingStd, accuracy] = results as [number, number, number, number];
      const ended = performance.now();
      const learningRate = learningRateAt(step, spec.steps, spec.optimiser);
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        throw new MedformerError(
          'FAILED_PRECONDITION',
          `step ${step}: loss ${loss}, gradient norm ${gradientNorm}: not finite`,
        );
      }
      const entry: HistoryEntry = { step, loss, learningRate, gradientNorm, embeddingStd };
      if (spec.method.name === 'supervised') entry.accuracy = accuracy;
      history.push(entry);
      run.onStep({ ...entry, stepMs: ended - began, viewsMs, images: prepared.labels.length, recorded });
      if (step % spec.checkpointEvery === 0 || step === spec.steps || signal.aborted) {
        await run.onCheckpoint(session.state(step, history));
        stored = step;
      }
      if (signal.aborted && step < spec.steps) {
        throw new MedformerError(
          'CANCELLED',
          `stopped after step ${stored} of ${spec.steps}; start it again to go on`,
        );
      }
      prepared = next;
    }
    return session.state(spec.steps, history);
  } finally {
    session.dispose();
  }
}

/** The tensors of a run: model, slots, and the step recorded once per batch shape. */
class TrainSession {
  private readonly model: Medformer;
  private readonly slots: OptimiserSlots;
  /** By the shape of the batch: groups of one shape share a function. */
  private readonly recorded = new Map<string, RecordedStep | 'eager'>();

  constructor(private readonly run: TrainRun) {
    const { spec, codes, heads, resume, initialWeights } = run;
    const stored = resume?.weights ?? initialWeights;
    this.model = new Medformer(spec.model, codes, heads, { seed: spec.seed, ...(stored ? { stored } : {}) });
    try {
      this.buildHead();
      this.model.parameters.seal();
      if (resume) this.model.parameters.requireStored();
      this.slots = newSlots(this.model, resume?.optimiser);
    } catch (error) {
      this.model.dispose();
      throw error;
    }
  }

  async step(step: number, batch: HostBatch): Promise<{ results: number[]; recorded: boolean }> {
    const inputs = this.inputs(step, batch);
    const values = Object.values(inputs) as tf.Tensor[];
    try {
      const recorded = this.recordedStep(String(inputs.x.shape), values);
      const output = recorded ? (await recorded.run(values))[0]! : tf.tidy(() => this.eager(values));
      const results = [...output.dataSync()];
      output.dispose();
      return { results, recorded: recorded !== undefined };
    } finally {
      tf.dispose(values);
    }
  }

  state(step: number, history: HistoryEntry[]): RunState {
    const optimiser = new Map<string, StoredTensor>();
    for (const moment of ['m', 'v'] as const) {
      for (const [name, variable] of this.slots[moment]) {
        optimiser.set(`${moment}/${name}`, {
          dtype: 'F32',
          shape: variable.shape,
          data: Float32Array.from(variable.dataSync()),
        });
      }
    }
    return { step, weights: this.model.parameters.toStored(), optimiser, history: [...history] };
  }

  dispose(): void {
    for (const recorded of this.recorded.values()) if (recorded !== 'eager') recorded.dispose();
    for (const moment of [this.slots.m, this.slots.v])
      for (const variable of moment.values()) variable.dispose();
    this.model.dispose();
  }

  private eager(values: tf.Tensor[]): tf.Tensor {
    const [x, modality, bodyPart, labels, schedule] = values as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    return trainStep(this.run.spec, this.model, this.slots, { x, modality, bodyPart, labels, schedule });
  }

  /** The step for batches of this shape as one TensorFlow function, or undefined where it cannot be recorded. */
  private recordedStep(shape: string, values: tf.Tensor[]): RecordedStep | undefined {
    let known = this.recorded.get(shape);
    if (!known) {
      const variables = [
        ...this.model.parameters.entries().map(([, variable]) => variable),
        ...this.slots.m.values(),
        ...this.slots.v.values(),
      ];
      try {
        known = recordStep((inputs) => [this.eager(inputs)], values, variables);
      } catch (cause) {
        this.run.onWarning(
          `the training step runs op by op, because it cannot be recorded: ${(cause as Error).message}`,
        );
        known = 'eager';
      }
      this.recorded.set(shape, known);
    }
    return known === 'eager' ? undefined : known;
  }

  private inputs(step: number, batch: HostBatch): StepInputs {
    const { spec, codes, heads } = this.run;
    const { beta1, beta2 } = spec.optimiser;
    const views = batch.modality.length;
    return {
      x: tf.tensor(batch.x, [views, ...batch.shape], 'float32'),
      modality: oneHotRows(batch.modality, codes.modalities.length + 1),
      bodyPart: oneHotRows(batch.bodyPart, codes.bodyParts.length + 1),
      labels: oneHotRows(batch.labels, spec.method.name === 'supervised' ? heads[0]!.classes : 1),
      schedule: tf.tensor1d([
        learningRateAt(step, spec.steps, spec.optimiser),
        1 - beta1 ** step,
        1 - beta2 ** step,
      ]),
    };
  }

  /** Makes the method's own head by computing one loss on the smallest batch. */
  private buildHead(): void {
    const { spec, heads } = this.run;
    tf.tidy(() => {
      const input = this.model.prepare(tf.zeros([4, 1, 1, 1]), {});
      methodOf(spec.method).loss(spec.method, this.model, input, tf.zeros([4, heads[0]?.classes ?? 1]));
    });
  }
}
