import {
  type CodeKeys,
  type CodeNames,
  type InputStatistics,
  loadReport,
  Medformer,
  oneHotRows,
  type TaskHead,
  type Transfer,
} from '@medformer/medformer';
import {
  emaDecayAt,
  isNamed,
  optimiserOf,
  ParameterLayout,
  runRateAt,
  unusedPatterns,
} from '@medformer/optimisers';
import {
  type LoadReport,
  labelledTasks,
  MedformerError,
  type RunSpec,
  type StoredTensor,
  surprisesOf,
} from '@medformer/schema';
import {
  ALONE,
  backendInfo,
  bfloat16Instructions,
  isPeerLost,
  PeerLostError,
  type RecordedStep,
  type Replicas,
  recordStep,
  tf,
} from '@medformer/tensorflow';
import { arrange, type HostBatch } from './batch.js';
import { countParameters, type Frozen, frozenParameters } from './frozen-parameters.js';
import { type ExaminedStep, examineStep } from './health/examine-step.js';
import { features, methodOf } from './methods/registry.js';
import {
  applyStep,
  gatherStep,
  type StepContext,
  type StepInputs,
  type TrainVectors,
  trainStep,
} from './train-step.js';
import type { TrainingGroup } from './training-group.js';

/** What a session starts from. */
export interface SessionStart {
  spec: RunSpec;
  groups: readonly TrainingGroup[];
  codes: CodeKeys;
  heads: TaskHead[];
  /** Weights and optimiser slots of a run that goes on, as `stored` gave them. */
  resume?: StoredState;
  /** Start from these weights. */
  initial?: InitialWeights;
  /** How the run's pixels are standardised; default: as those of a new model. */
  input?: InputStatistics;
  /** Told what came of `initial`, before it is judged. */
  onLoaded?(report: LoadReport): void;
  /** Parts of a batch that are computed side by side; 1 when absent. As many as there are threads, on a CPU. */
  parts?: number;
  onWarning(message: string): void;
  /** The processes that share the run; this one alone when absent. */
  replicas?: Replicas;
}

/** What another run's checkpoint gives. */
export interface InitialWeights {
  /** Content address of its record. */
  checkpoint: string;
  transfer: Transfer;
  /** Tensors that may be missing, left over or of another shape; see `InitialSpec.allow`. */
  allow: readonly string[];
  /** Tensors taken over that stay as they are; see `InitialSpec.freeze`. */
  freeze?: readonly string[];
  /** Tensors that no run has touched so far: never frozen. */
  untrained?: readonly string[];
}

/** Everything a session keeps, by name. */
export interface StoredState {
  /** What the model is used with: the moving average where the run keeps one. */
  weights: Map<string, StoredTensor>;
  /** `<slot>/<parameter>`, and `raw/<parameter>` where `weights` are the moving average. */
  optimiser: Map<string, StoredTensor>;
  /** Parameters that no step has touched; see `CheckpointRecord`. */
  untrained?: string[];
}

export interface StepOutcome {
  /**
   * Loss, gradient norm, embedding std, accuracy (NaN where the method predicts nothing), effective and centred rank, and
   * above 0 where a process was told to stop.
   */
  results: [number, number, number, number, number, number, number];
  /** The step ran as recorded functions; false: op by op. */
  recorded: boolean;
}

type TensorFunction = (inputs: tf.Tensor[]) => tf.Tensor;

/** The tensors of a run, and its step recorded once per shape of batch. */
export class TrainSession {
  private readonly model: Medformer;
  private readonly context: StepContext;
  private readonly vectors: TrainVectors;
  private readonly recorded = new Map<string, RecordedStep | 'eager'>();
  /** Which parameters batches of a shape touch; known once the step ran. */
  private readonly touched = new Map<string, boolean[]>();
  private readonly untrained: Set<string>;
  private readonly replicas: Replicas;

  constructor(private readonly start: SessionStart) {
    const { spec, codes, heads, groups, resume, initial, input, replicas = ALONE } = start;
    this.replicas = replicas;
    requirePrecision(spec, start.onWarning);
    const fitted = resume
      ? undefined
      : methodOf(spec.method).fit?.(spec.method, groups, spec.model, spec.seed, input);
    const stored = resume?.weights ?? fitted ?? new Map();
    const from = initial && !resume ? { initial: initial.transfer.weights } : {};
    this.model = new Medformer(spec.model, codes, heads, { seed: spec.seed, stored, ...from }, input);
    try {
      this.buildHead();
      this.model.parameters.seal();
      const layout = new ParameterLayout(this.model.parameters.entries());
      const frozen = initial ? frozenParameters(layout, initial) : { frozen: new Set<string>() };
      if (resume) this.model.parameters.requireStored();
      else if (initial) this.judge(initial, frozen);
      requireDecayPatterns(layout, spec.optimiser.decayed);
      this.untrained = new Set(resume ? resume.untrained : untrainedAtFirst(layout.names, initial));
      this.vectors = newVectors(spec, this.model, layout, resume);
      const decayed = tf.keep(layout.fill((name) => (isNamed(name, spec.optimiser.decayed) ? 1 : 0)));
      const parts = start.parts ?? 1;
      this.context = { spec, model: this.model, layout, decayed, ...frozen, parts, replicas };
    } catch (error) {
      this.model.dispose();
      throw error;
    }
    // From here on the vectors hold the weights; the model gives only its shape.
    this.model.parameters.dispose();
  }

  /**
   * One step over the parts of its batch, one after the other. Where its loss or gradient is not finite, nothing of what
   * the session keeps has changed.
   * @param stop whether this process was told to stop, which all processes then learn of
   * @throws PeerLostError when a process that shares the run is gone
   */
  async step(step: number, parts: readonly HostBatch[], stop = false): Promise<StepOutcome> {
    // Other handles of the same values: an assignment then leaves them alone, and nothing is copied.
    const before = this.allVectors().map((vector) => tf.keep(vector.clone()));
    try {
      const outcome = await this.replicas.together(() => this.compute(step, parts, stop));
      const [loss, gradientNorm] = outcome.results;
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
        for (const [at, vector] of this.allVectors().entries()) vector.assign(before[at]!);
      return outcome;
    } finally {
      tf.dispose(before);
    }
  }

  /**
   * Begins from the weights and optimiser slots of rank 0, whatever rounding made of the others'.
   * @throws PeerLostError where the processes found other checkpoints
   */
  async align(step: number): Promise<void> {
    const { replicas } = this;
    if (replicas.size === 1) return;
    const [first] = await replicas.fromFirst(Float64Array.of(step));
    if (first !== step)
      throw new PeerLostError(
        `rank ${replicas.rank} found a checkpoint of step ${step}, rank 0 of step ${first}`,
      );
    await replicas.together(async () => {
      replicas.restart();
      for (const vector of this.allVectors())
        tf.tidy(() => vector.assign(replicas.sum(replicas.rank === 0 ? vector : tf.zerosLike(vector))));
    });
  }

  private async compute(step: number, parts: readonly HostBatch[], stop: boolean): Promise<StepOutcome> {
    const outcomes: StepOutcome[] = [];
    const { layout } = this.context;
    let touched = layout.names.map(() => false);
    for (const part of parts) {
      const inputs = this.inputs(step, part, stop);
      const { names, values } = listed(inputs);
      const { task, share } = inputs;
      const shapes = values.map((value) => value.shape.join());
      const shape = [part.task ?? '', share?.key ?? '', ...shapes].join(' ');
      try {
        outcomes.push(
          await this.run(shape, values, (given) => {
            const compute = parts.length === 1 ? trainStep : gatherStep;
            const { results, touched } = compute(this.context, this.vectors, {
              ...unlisted(names, given),
              ...(task === undefined ? {} : { task }),
              ...(share ? { share } : {}),
            });
            this.touched.set(shape, touched);
            return results;
          }),
        );
        const own = this.touched.get(shape)!;
        for (const [at, name] of layout.names.entries()) if (own[at]) this.untrained.delete(name);
        // What any part touches, the step does.
        touched = touched.map((already, at) => already || own[at]!);
        if (parts.length > 1 && outcomes.length === parts.length) {
          const { results } = await this.run(
            `apply ${touched.map(Number).join('')}`,
            [inputs.schedule],
            ([schedule]) => applyStep(this.context, this.vectors, touched, schedule!),
          );
          return meanOutcome(outcomes, results[0]);
        }
      } finally {
        tf.dispose(values);
      }
    }
    return outcomes[0]!;
  }

  /** What this step would compute, looked at op by op; nothing changes. */
  examine(step: number, parts: readonly HostBatch[]): ExaminedStep {
    const inputs = parts.map((part) => this.inputs(step, part));
    try {
      return examineStep(this.context, this.vectors, inputs);
    } finally {
      for (const given of inputs) tf.dispose(listed(given).values);
    }
  }

  /** Features [B, D] of pixels in [0, 1], as a checkpoint of now would give them. */
  embed(pixels: tf.Tensor, names: CodeNames): tf.Tensor {
    const { spec, model, layout } = this.context;
    const reader = model.reading(layout.byName(this.vectors.average ?? this.vectors.parameters));
    return features(spec.method, reader, pixels, names);
  }

  stored(): StoredState {
    const { layout } = this.context;
    const { parameters, slots, average } = this.vectors;
    const optimiser = new Map<string, StoredTensor>();
    const add = (tensors: Map<string, StoredTensor>) => {
      for (const [name, tensor] of tensors) optimiser.set(name, tensor);
    };
    for (const [slot, vector] of Object.entries(slots)) add(layout.toStored(vector, `${slot}/`));
    if (average) add(layout.toStored(parameters, 'raw/'));
    return {
      weights: layout.toStored(average ?? parameters),
      optimiser,
      untrained: [...this.untrained].sort(),
    };
  }

  dispose(): void {
    for (const recorded of this.recorded.values()) if (recorded !== 'eager') recorded.dispose();
    this.context.decayed.dispose();
    this.context.trained?.dispose();
    for (const vector of this.allVectors()) vector.dispose();
  }

  /** @throws MedformerError FAILED_PRECONDITION naming every tensor that neither a rule nor the spec foresaw */
  private judge({ checkpoint, transfer, allow, freeze = [] }: InitialWeights, frozen: Frozen): void {
    const entries = this.model.parameters.entries();
    const report = loadReport(checkpoint, transfer, entries);
    if (freeze.length > 0) report.parameters = countParameters(entries, frozen);
    this.start.onLoaded?.(report);
    const surprises = surprisesOf(report, allow);
    if (surprises.length === 0) return;
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `initial checkpoint ${checkpoint}: ${surprises.join('; ')}; initial.allow names tensors that may differ`,
    );
  }

  private allVectors(): tf.Variable[] {
    const { parameters, slots, average, gathered } = this.vectors;
    return [
      parameters,
      ...Object.values(slots),
      ...(average ? [average] : []),
      ...(gathered ? [gathered] : []),
    ];
  }

  private async run(key: string, values: tf.Tensor[], compute: TensorFunction): Promise<StepOutcome> {
    const recorded = this.record(key, values, (given) => {
      this.replicas.restart();
      return compute(given);
    });
    this.replicas.restart();
    const output = recorded ? (await recorded.run(values))[0]! : tf.tidy(() => compute(values));
    const results = [...output.dataSync()] as StepOutcome['results'];
    output.dispose();
    return { results, recorded: recorded !== undefined };
  }

  /** The computation as one TensorFlow function, or undefined where it cannot be recorded. */
  private record(key: string, values: tf.Tensor[], compute: TensorFunction): RecordedStep | undefined {
    let known = this.recorded.get(key);
    if (!known) {
      try {
        known = recordStep((inputs) => [compute(inputs)], values, this.allVectors());
      } catch (cause) {
        if (isPeerLost(cause)) throw cause;
        this.start.onWarning(
          `the training step runs op by op, because it cannot be recorded: ${(cause as Error).message}`,
        );
        known = 'eager';
      }
      this.recorded.set(key, known);
    }
    return known === 'eager' ? undefined : known;
  }

  private inputs(step: number, batch: HostBatch, stop = false): StepInputs {
    const { spec, codes } = this.start;
    const method = methodOf(spec.method);
    return {
      ...(batch.task === undefined ? {} : { task: batch.task }),
      x: tf.tensor(batch.x, [batch.modality.length, ...batch.shape], 'float32'),
      modality: oneHotRows(batch.modality, codes.modalities.length + 1),
      bodyPart: oneHotRows(batch.bodyPart, codes.bodyParts.length + 1),
      labels: tf.tensor2d(batch.labels, [batch.images.length, batch.labels.length / batch.images.length]),
      schedule: tf.tensor1d([
        runRateAt(spec, step),
        spec.ema ? emaDecayAt(step, spec.steps, spec.ema) : 0,
        method.ramp?.(spec.method, step, spec.steps) ?? 1,
        ...optimiserOf(spec.optimiser).scalars(step),
      ]),
      drawn: drawnTensors(batch.drawn),
      ...(batch.share ? { share: batch.share } : {}),
      stop: tf.tensor1d([stop ? 1 : 0]),
    };
  }

  /** Makes the method's own parameters by one loss on the smallest batch per number of axes and channels. */
  private buildHead(): void {
    const { spec, groups } = this.start;
    const method = methodOf(spec.method);
    const images = 2;
    const tasks = labelledTasks(spec.method).map(({ task }) => this.model.headOf(task));
    const own: { task?: string; classes: number }[] = tasks.length > 0 ? tasks : [{ classes: 1 }];
    const kinds = new Map(groups.map(({ shape }) => [`${shape.length} ${shape[shape.length - 1]}`, shape]));
    for (const shape of kinds.values()) {
      const views = method.policies.length;
      const size = shape.reduce((product, edge) => product * edge, 1);
      const blank = { x: new Float32Array(views * images * size), shape, views, images };
      const { x, shape: arranged, copies, drawn } = arrange(spec, blank, 0);
      tf.tidy(() => {
        const input = this.model.prepare(tf.tensor(x, [views * images * copies, ...arranged]), {});
        const tensors = drawnTensors(drawn);
        for (const { task, classes } of own) {
          method.loss(spec.method, this.model, input, {
            ...(task === undefined ? {} : { task }),
            labels: tf.zeros([images, classes]),
            drawn: tensors,
            teacher: this.model,
            ramp: tf.scalar(1),
          });
        }
      });
    }
  }
}

/** What neither another run nor a step has changed from how the seed made it. Constants of the method are none of it. */
function untrainedAtFirst(names: readonly string[], initial: InitialWeights | undefined): string[] {
  const taken = (name: string) => initial?.transfer.weights.has(name) && !initial.untrained?.includes(name);
  return names.filter((name) => !name.startsWith('method/') && !taken(name));
}

/** @throws MedformerError FAILED_PRECONDITION where the backend has no bfloat16 */
function requirePrecision({ precision }: RunSpec, onWarning: (message: string) => void): void {
  if (precision === 'float32') return;
  const { backend } = backendInfo();
  if (backend !== 'native') {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `spec: precision: ${precision} needs native TensorFlow, found ${backend}`,
    );
  }
  if (bfloat16Instructions() === false)
    onWarning(
      `precision: this processor has no bfloat16 instructions: ${precision} takes longer than float32`,
    );
}

/** @throws MedformerError INVALID_ARGUMENT naming the first pattern that fits no parameter: misspelt, it would spare all */
function requireDecayPatterns({ names }: ParameterLayout, patterns: readonly string[]): void {
  const [unused] = unusedPatterns(names, patterns);
  if (unused === undefined) return;
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `optimiser.decayed.${patterns.indexOf(unused)}: ${unused} fits no parameter`,
  );
}

/** @throws MedformerError DATA_LOSS naming a slot that is missing or of another shape */
function newVectors(
  spec: RunSpec,
  model: Medformer,
  layout: ParameterLayout,
  resume: StoredState | undefined,
): TrainVectors {
  const made: tf.Variable[] = [];
  const variable = (values: () => tf.Tensor) => {
    const vector = tf.tidy(() => tf.variable(values(), false));
    made.push(vector);
    return vector;
  };
  const weights = () => layout.flatten(model.parameters.entries().map(([, parameter]) => parameter));
  const zeros = () => layout.fill(() => 0);
  try {
    return {
      parameters: variable(() =>
        resume && spec.ema ? layout.fromStored(resume.optimiser, 'raw/') : weights(),
      ),
      slots: Object.fromEntries(
        optimiserOf(spec.optimiser).slots.map((slot) => [
          slot,
          variable(() => (resume ? layout.fromStored(resume.optimiser, `${slot}/`) : zeros())),
        ]),
      ),
      ...(spec.ema ? { average: variable(weights) } : {}),
      ...(spec.accumulate > 1 ? { gathered: variable(zeros) } : {}),
    };
  } catch (error) {
    tf.dispose(made);
    throw error;
  }
}

function drawnTensors(drawn: HostBatch['drawn']): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(drawn).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data, shape, data instanceof Int32Array ? 'int32' : 'float32'),
    ]),
  );
}

/** The inputs in one order, those the method drew last. */
function listed({ x, modality, bodyPart, labels, schedule, stop, drawn }: StepInputs): {
  names: string[];
  values: tf.Tensor[];
} {
  const names = Object.keys(drawn).sort();
  const own = names.map((name) => drawn[name]!);
  return { names, values: [x, modality, bodyPart, labels, schedule, stop!, ...own] };
}

function unlisted(names: readonly string[], values: readonly tf.Tensor[]): StepInputs {
  const [x, modality, bodyPart, labels, schedule, stop, ...drawn] = values as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    ...tf.Tensor[],
  ];
  return {
    x,
    modality,
    bodyPart,
    labels,
    schedule,
    stop,
    drawn: Object.fromEntries(names.map((name, index) => [name, drawn[index]!])),
  };
}

function meanOutcome(outcomes: readonly StepOutcome[], gradientNorm: number): StepOutcome {
  const mean = (at: number) => outcomes.reduce((sum, { results }) => sum + results[at]!, 0) / outcomes.length;
  return {
    results: [mean(0), gradientNorm, mean(2), mean(3), mean(4), mean(5), mean(6)],
    recorded: outcomes.every(({ recorded }) => recorded),
  };
}
