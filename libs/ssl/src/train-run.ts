import type { Repair } from '@medformer/brainfuse';
import type { CodeKeys, Forward, InputStatistics, TaskHead } from '@medformer/medformer';
import { runRateAt } from '@medformer/optimisers';
import {
  CollapseAlarm,
  EarlyStop,
  type ExpectedLoss,
  type HistoryEntry,
  isDone,
  type LoadReport,
  MedformerError,
  type OnlineScores,
  type RunSpec,
  type ViewPolicy,
} from '@medformer/schema';
import { ALONE, type Replicas } from '@medformer/tensorflow';
import { type BatchSource, type HostBatch, imagesOf, makeBatches } from './batch.js';
import { BatchPlan, inParts, type StepPlan } from './batch-plan.js';
import { FusedImages } from './fused-images.js';
import { expectedLossOf, expectedOfBatch, warnOfStart } from './health/expected-loss.js';
import { methodOf } from './methods/registry.js';
import { modalityGroups } from './modality-groups.js';
import { MultiTaskPlan } from './multi-task-plan.js';
import { isMonitored, type MonitoredImages, OnlineEvaluation } from './online-evaluation.js';
import { poolsOf, SemiSupervisedPlan } from './semi-supervised-plan.js';
import { type InitialWeights, type StoredState, TrainSession } from './train-session.js';
import type { TrainingGroup } from './training-group.js';

/** Everything of a run that its seed and step do not give back. */
export interface RunState extends StoredState {
  step: number;
  history: HistoryEntry[];
  expectedLoss: ExpectedLoss;
}

/** A step without a finite loss or gradient, and all it was computed from. */
export interface FailedStepState {
  step: number;
  loss: number;
  gradientNorm: number;
  policies: readonly ViewPolicy[];
  parts: readonly HostBatch[];
  /** [...spatial, channels] of the run's images: what a model is built for. */
  shapes: readonly number[][];
  /** As before the step. */
  state: StoredState;
}

export interface StepReport extends HistoryEntry {
  stepMs: number;
  /** Time this thread took to make the next step's views, while TensorFlow's threads ran this one. */
  viewsMs: number;
  images: number;
  /** Time the step's online evaluation took, after the step. */
  onlineMs?: number;
  /** The step ran as one recorded function; false: op by op. */
  recorded: boolean;
  expectedLoss: ExpectedLoss;
  /** The run looks collapsed, by `spec.health`. */
  collapsed: boolean;
}

export interface TrainRun {
  spec: RunSpec;
  groups: TrainingGroup[];
  codes: CodeKeys;
  heads: TaskHead[];
  /** What `spec.monitor` scores features by. */
  monitored?: MonitoredImages;
  /** Continue from here. */
  resume?: Omit<RunState, 'expectedLoss'>;
  /** Start from another run's input Adaptformer, body and ends; see `TrainSession`. Also a resumed run has it, for `freeze`. */
  initial?: InitialWeights;
  input?: InputStatistics;
  /** The generator that `spec.fusion.spec.generator` names. */
  repair?: Repair;
  onLoaded?(report: LoadReport): void;
  /** Parts of a batch that are computed side by side; see `TrainSession`. */
  parts?: number;
  /** The processes that share the run, each called with the same; rank 0 alone is told of checkpoints. */
  replicas?: Replicas;
  signal: AbortSignal;
  onStep(report: StepReport): void;
  /** Awaited, so that a run never gets ahead of what is stored. */
  onCheckpoint(state: RunState): Promise<void>;
  /** Keeps a step that failed and gives the address it is kept at. */
  onFailedStep?(failed: FailedStepState): Promise<string>;
  onWarning(message: string): void;
}

/**
 * Trains to the last step or to where the spec ends the run early, or until the signal fires; then the state reached is
 * handed to `onCheckpoint` first.
 * @throws MedformerError CANCELLED; FAILED_PRECONDITION naming step and loss when the loss is not finite, or when the
 *   run has collapsed and its spec says to stop
 */
export async function trainRun(run: TrainRun): Promise<RunState> {
  const { spec, codes, signal, replicas = ALONE } = run;
  const isFirst = replicas.rank === 0;
  const groups = spec.method.batching === 'by-modality' ? modalityGroups(run.groups) : run.groups;
  if (groups.length === 0)
    throw new MedformerError('FAILED_PRECONDITION', 'the dataset has no image to train on');
  const policies = methodOf(spec.method).policies.map(
    (policy) => ({ ...policy, ...spec.views }) as ViewPolicy,
  );
  const online = isFirst ? onlineOf(run) : undefined;
  const session = new TrainSession({ ...run, groups });
  const history = [...(run.resume?.history ?? [])];
  const early = spec.earlyStop && new EarlyStop(spec.earlyStop);
  const expectedLoss = expectedLossOf(spec, groups, run.heads);
  const alarm = new CollapseAlarm(spec.health, expectedLoss);
  let [collapsed, warned] = [false, false];
  for (const entry of history) {
    early?.after(entry);
    collapsed = alarm.after(entry);
    warned ||= collapsed;
  }
  if (collapsed && spec.health.onCollapse === 'stop') throw collapsedAt(history.at(-1)!, spec);
  const plan = planOf(spec, groups);
  const start = run.resume?.step ?? 0;
  plan.skip(start);
  const source: BatchSource = {
    spec,
    groups,
    codes,
    heads: run.heads,
    policies,
    ...(run.input ? { input: run.input } : {}),
    replicas,
    ...(spec.fusion
      ? { fused: new FusedImages({ ...spec, fusion: spec.fusion }, groups, run.heads, run.repair) }
      : {}),
  };
  const produce = (step: number) => {
    const planned = plan.next();
    return { planned, parts: makeBatches(source, step, planned) };
  };
  const stateAt = (step: number): RunState => ({
    step,
    ...session.stored(),
    history: [...history],
    expectedLoss,
  });
  const keep = async (step: number) => {
    if (isFirst) await run.onCheckpoint(stateAt(step));
  };
  try {
    await session.align(start);
    if (spec.keep?.initial && !run.resume) await keep(0);
    let stored = start;
    let prepared = isDone(spec, { step: start, history }) ? undefined : produce(start + 1);
    for (let step = start + 1; prepared && step <= spec.steps; step += 1) {
      const began = performance.now();
      const { planned, parts } = prepared;
      const running = session.step(step, parts, signal.aborted);
      // While the step runs on TensorFlow's threads, this thread makes the views of the next one.
      const viewsBegan = performance.now();
      const next = step < spec.steps ? produce(step + 1) : undefined;
      const viewsMs = performance.now() - viewsBegan;
      const { results, recorded } = await running;
      const [loss, gradientNorm, embeddingStd, accuracy, effectiveRank, centredRank, stop] = results;
      const ended = performance.now();
      const images = parts.reduce((sum, part) => sum + imagesOf(part), 0);
      const learningRate = runRateAt(spec, step);
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        const shapes = [...new Map(groups.map(({ shape }) => [shape.join(), shape])).values()];
        const state = session.stored();
        const whole = () => makeBatches({ ...source, replicas: ALONE }, step, planned);
        const all = replicas.size > 1 && isFirst ? whole() : parts;
        const failed = { step, loss, gradientNorm, policies, parts: all, shapes, state };
        const kept = isFirst ? await run.onFailedStep?.(failed) : undefined;
        throw new MedformerError(
          'FAILED_PRECONDITION',
          `step ${step}: loss ${loss}, gradient norm ${gradientNorm}: not finite${kept ? `; the step is kept as ${kept}, to be replayed` : ''}`,
        );
      }
      const entry: HistoryEntry = { step, loss, learningRate, gradientNorm, embeddingStd };
      if (!Number.isNaN(effectiveRank)) entry.effectiveRank = effectiveRank;
      if (!Number.isNaN(centredRank)) entry.centredRank = centredRank;
      if (!Number.isNaN(accuracy)) entry.accuracy = accuracy;
      const scores = await onlineScores(run, online, step, (...given) => session.embed(...given));
      if (scores) entry.online = scores;
      const onlineMs = entry.online ? { onlineMs: performance.now() - ended } : {};
      history.push(entry);
      const last = early?.after(entry) || step === spec.steps;
      collapsed = alarm.after(entry);
      const stopped = collapsed && spec.health.onCollapse === 'stop';
      run.onStep({
        ...entry,
        stepMs: ended - began,
        viewsMs,
        images,
        ...onlineMs,
        recorded,
        expectedLoss,
        collapsed,
      });
      if (step === 1 && !run.initial && !spec.initial) {
        const warning = warnOfStart(spec, loss, expectedOfBatch(spec, images, run.heads));
        if (warning) run.onWarning(warning);
      }
      if (collapsed && !warned && !stopped) run.onWarning(collapsedAt(entry, spec).message);
      warned ||= collapsed;
      // One process that is told to stop is enough, and all learn of it with the step's results.
      const aborted = replicas.size > 1 ? stop > 0 : signal.aborted;
      if (step % spec.checkpointEvery === 0 || last || stopped || aborted) {
        await keep(step);
        stored = step;
      }
      if (stopped) throw collapsedAt(entry, spec);
      if (last) return stateAt(step);
      if (aborted) {
        throw new MedformerError(
          'CANCELLED',
          `stopped after step ${stored} of ${spec.steps}; start it again to go on`,
        );
      }
      prepared = next;
    }
    return stateAt(start);
  } finally {
    session.dispose();
  }
}

function collapsedAt(
  { step, loss, embeddingStd, effectiveRank }: HistoryEntry,
  { health }: RunSpec,
): MedformerError {
  const measured = `embedding std ${embeddingStd?.toFixed(3)}, effective rank ${effectiveRank?.toFixed(2)}, loss ${loss.toFixed(4)}`;
  return new MedformerError(
    'FAILED_PRECONDITION',
    `step ${step}: collapsed: for ${health.window} steps all images have had nearly the same embedding (${measured})`,
  );
}

function onlineOf({ spec, monitored }: TrainRun): OnlineEvaluation | undefined {
  if (!spec.monitor) return undefined;
  if (!monitored) throw new MedformerError('INTERNAL', 'the run was given no images to monitor');
  return new OnlineEvaluation(spec, spec.monitor, monitored);
}

/** Rank 0's scores, where the run has an evaluation after this step. */
async function onlineScores(
  { spec, replicas = ALONE }: TrainRun,
  online: OnlineEvaluation | undefined,
  step: number,
  embed: Forward,
): Promise<OnlineScores | undefined> {
  if (!spec.monitor || !isMonitored(spec, step)) return undefined;
  const scores = await online?.score(embed);
  if (replicas.size === 1) return scores;
  const { protocols } = spec.monitor;
  const own = protocols.flatMap((protocol) => {
    const found = scores?.[protocol];
    return found ? [found.accuracy, found.auc] : [0, 0];
  });
  const all = await replicas.fromFirst(Float64Array.from(own));
  return Object.fromEntries(
    protocols.map((protocol, at) => [protocol, { accuracy: all[2 * at]!, auc: all[2 * at + 1]! }]),
  );
}

function planOf(
  { seed, method, batchSize, accumulate }: RunSpec,
  groups: readonly TrainingGroup[],
): StepPlan {
  if (method.name === 'multi-task') {
    const pools = method.tasks.map(({ task }) => ({
      task,
      groups: groups.flatMap((group, at) =>
        group.task === task ? [{ group: at, images: group.records.length }] : [],
      ),
    }));
    const { temperature } = method;
    return new MultiTaskPlan(seed, pools, { batchSize, parts: accumulate, temperature });
  }
  const sizes = groups.map(({ records }) => records.length);
  const whole =
    method.name === 'consistency'
      ? new SemiSupervisedPlan(seed, poolsOf(method, groups), batchSize, method.labelledShare)
      : new BatchPlan(seed, sizes, batchSize);
  return { next: () => inParts(whole.next(), accumulate), skip: (steps) => whole.skip(steps) };
}
