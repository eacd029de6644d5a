import type { StoredTensor } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeBatches } from '../batch.js';
import { BatchPlan, inParts } from '../batch-plan.js';
import { methodOf } from '../methods/registry.js';
import { patternData, patternSpec, patterns, runPatterns } from '../testing/patterns.js';
import type { FailedStepState, RunState } from '../train-run.js';
import { TrainSession } from '../train-session.js';
import { batchesOf, batchTensors } from './batch-tensors.js';
import { replayStep } from './replay-step.js';

const CODES = { modalities: ['ct'], bodyParts: [], tasks: [] };
const BARLOW = { method: { name: 'barlow-twins', batching: 'mixed', projection: [16, 8] } };

beforeAll(async () => {
  await useBackend();
});

/** Runs until a step fails. */
async function failing(change: object, given: Parameters<typeof runPatterns>[1] = {}) {
  const failed: FailedStepState[] = [];
  const spec = patternSpec({ checkpointEvery: 1, ...change });
  const onFailedStep = async (step: FailedStepState) => {
    failed.push(step);
    return 'abc';
  };
  return { spec, failed, ...(await runPatterns(spec, { onFailedStep, ...given })) };
}

describe('a step that is not finite', () => {
  it.each([
    ['whole', {}],
    ['in parts', { accumulate: 2 }],
    ['beside a moving average', { ema: {} }],
  ])('hands over its batch and the state before it, and names where they are kept: %s', async (_, change) => {
    const { spec, failed, states, reports, error } = await failing({
      ...BARLOW,
      ...change,
      optimiser: { learningRate: 1e30, warmupSteps: 0, clipNorm: 0 },
    });
    const [step] = failed;

    expect(error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(
        /^step \d+: loss .*, gradient norm .*: not finite; the step is kept as abc, to be replayed$/,
      ),
    });
    expect(step!.step).toBe(reports.length + 1);
    // Bit for bit the state of the checkpoint that the step follows.
    const { weights, optimiser } = states.at(-1)!;
    expect(bytesOf(step!.state.weights)).toEqual(bytesOf(weights));
    expect(bytesOf(step!.state.optimiser)).toEqual(bytesOf(optimiser));
    const plan = new BatchPlan(spec.seed, [36], spec.batchSize);
    plan.skip(reports.length);
    const { policies } = methodOf(spec.method);
    const { groups, codes, heads } = patternData(spec, [patterns([8, 8, 1], 36)]);
    const again = makeBatches(
      { spec, groups, codes, heads, policies },
      step!.step,
      inParts(plan.next(), spec.accumulate),
    );
    expect(step!.parts.map(({ images }) => images)).toEqual(again.map(({ images }) => images));
    expect(step!.parts.map(({ x }) => x)).toEqual(again.map(({ x }) => x));
  });

  it('is computed again to the same loss, and traced to the op it comes from', async () => {
    const { spec, failed } = await failing({
      ...BARLOW,
      optimiser: { learningRate: 1e30, warmupSteps: 0, clipNorm: 0 },
    });
    const [step] = failed;
    const before = tf.memory().numTensors;
    const parts = batchesOf(step!.parts, batchTensors(step!.parts));
    const replayed = replayStep({ spec, codes: CODES, heads: [], ...step!, parts });

    expect(parts).toEqual(step!.parts);

    expect(tf.memory().numTensors).toBe(before);
    expect(Number.isFinite(replayed.loss)).toBe(false);
    expect(replayed.parameter).toBeUndefined();
    expect(replayed.op).toMatchObject({ pass: 'forward', near: expect.stringMatching(/^(input|body)\//) });
    expect(replayed.gradient!.count).toBeGreaterThan(0);
    expect(Object.keys(replayed.terms)).toEqual(['invariance', 'redundancy']);
  });

  it('of a weight that is no number names the weight', async () => {
    const first = (await runPatterns(patternSpec({ ...BARLOW, steps: 1 }))).states[0]!;
    const name = 'body/00/attention/value/weight';
    const weights = new Map(first.weights);
    const { data, ...rest } = weights.get(name)!;
    const poisoned = Float32Array.from(data);
    poisoned[5] = Number.NaN;
    weights.set(name, { ...rest, data: poisoned });
    const resume: RunState = { ...first, weights };
    const { spec, failed } = await failing(BARLOW, { resume });
    const replayed = replayStep({ spec, codes: CODES, heads: [], ...failed[0]! });

    expect(failed[0]!.step).toBe(2);
    expect(replayed).toMatchObject({ parameter: name, loss: Number.NaN });
    expect(replayed.op).toBeUndefined();
  });

  it('only in the backward pass is traced there', async () => {
    const spec = patternSpec({ ...BARLOW, steps: 1 });
    const method = methodOf(spec.method);
    const { loss } = method;
    // sqrt(0) is finite, its slope is not.
    method.loss = (...given) => {
      const made = loss(...given);
      const zero = tf.mul(made.h, 0);
      return { ...made, loss: tf.add(made.loss, tf.sum(tf.sqrt(zero))) as tf.Scalar };
    };
    try {
      const { failed, error } = await failing({ ...BARLOW, steps: 1 });
      const replayed = replayStep({ spec, codes: CODES, heads: [], ...failed[0]! });

      expect(error?.message).toMatch(/^step 1: loss [\d.]+, gradient norm NaN: not finite/);
      expect(replayed.loss).toBeCloseTo(failed[0]!.loss, 4);
      expect(replayed.gradientNorm).toBeNaN();
      expect(replayed.op!.pass).toBe('backward');
      expect(replayed.gradient!.parameter).toMatch(/^output\//);
    } finally {
      method.loss = loss;
    }
  });
});

describe.each([
  ['simclr', { method: { name: 'simclr', projection: [16, 8] } }],
  ['barlow-twins', BARLOW],
  ['jigsaw', { method: { name: 'jigsaw', grid2d: [2, 2], permutations: 10 } }],
  ['mae', { method: { name: 'mae' } }],
  ['image-gpt', { method: { name: 'image-gpt', codes: 8, codebookPatches: 200 } }],
  ['consistency', { method: { name: 'consistency', task: 'pattern' }, ema: {} }],
  ['supervised', { method: { name: 'supervised', task: 'pattern' } }],
  ['supervised, several labels per image', { method: { name: 'supervised', task: 'above' } }],
  ['several tasks', { method: { name: 'multi-task', tasks: [{ task: 'pattern' }, { task: 'levels' }] } }],
])('an untroubled step of %s', (_, change) => {
  it('is examined to the loss and the gradient norm that it has, with terms that add up, and nothing is found', async () => {
    const spec = patternSpec({ ...change, accumulate: 2 });
    const { policies } = methodOf(spec.method);
    const { groups, codes, heads } = patternData(spec, [patterns([8, 8, 1], 36)]);
    const session = new TrainSession({ spec, groups, codes, heads, onWarning: () => {} });
    const source = { spec, groups, codes, heads, policies };
    const parts = makeBatches(source, 1, inParts(new BatchPlan(0, [36], 12).next(), spec.accumulate));
    expect(batchesOf(parts, batchTensors(parts))).toEqual(parts);
    const { terms, loss, gradientNorm, ...found } = session.examine(1, parts);
    const { results } = await session.step(1, parts);
    session.dispose();

    expect(Math.abs(loss / results[0] - 1)).toBeLessThan(1e-4);
    expect(Math.abs(gradientNorm / results[1] - 1)).toBeLessThan(1e-3);
    expect(found).toEqual({});
    const added = Object.values(terms).reduce((sum, term) => sum + term, 0);
    if ('alignment' in terms || 'invariance' in terms) expect(added).toBeCloseTo(loss, 3);
  });
});

const bytesOf = (tensors: ReadonlyMap<string, StoredTensor>) =>
  [...tensors].map(([name, { data }]) => [
    name,
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
  ]);
