import { Rng } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { methodOf } from '../methods/registry.js';
import { patternSpec, patterns, runPatterns } from '../testing/patterns.js';

/** A learning rate that throws SimCLR into collapse within a few steps: all images get one embedding. */
const COLLAPSING = {
  method: { name: 'simclr', batching: 'mixed' },
  optimiser: { learningRate: 0.3, warmupSteps: 0, schedule: { name: 'constant' } },
  batchSize: 24,
  steps: 70,
};

const METHODS: [string, object][] = [
  ['simclr', { method: { name: 'simclr' } }],
  ['barlow-twins', { method: { name: 'barlow-twins' } }],
  ['jigsaw', { method: { name: 'jigsaw', grid2d: [2, 2], permutations: 10 } }],
  ['mae', { method: { name: 'mae' } }],
  ['image-gpt', { method: { name: 'image-gpt', codes: 8, codebookPatches: 200 } }],
  ['consistency', { method: { name: 'consistency', task: 'pattern' }, ema: {} }],
  ['supervised', { method: { name: 'supervised', task: 'pattern' } }],
  ['multi-task', { method: { name: 'multi-task', tasks: [{ task: 'pattern' }, { task: 'above' }] } }],
  ['consistency of two classes', { method: { name: 'consistency', task: 'bright' }, ema: {} }],
  ['supervised by two classes', { method: { name: 'supervised', task: 'bright' } }],
  ['supervised by two labels', { method: { name: 'supervised', task: 'above' } }],
  ['multi-task of two classes', { method: { name: 'multi-task', tasks: [{ task: 'bright' }] } }],
];

beforeAll(async () => {
  await useBackend();
});

describe('a run built to collapse', () => {
  it('raises the alarm while its loss stays at its value on collapse, and warns once', async () => {
    const { reports, warnings, error } = await runPatterns(patternSpec(COLLAPSING));
    const raised = reports.findIndex(({ collapsed }) => collapsed);
    // One batch is noise, as it is for the alarm.
    const last = reports.slice(-20);
    const loss = last.reduce((sum, report) => sum + report.loss, 0) / last.length;

    expect(error).toBeUndefined();
    expect(raised).toBeGreaterThanOrEqual(19);
    expect(Math.abs(loss / last[0]!.expectedLoss.collapsed! - 1)).toBeLessThan(0.1);
    expect(warnings.filter((text) => text.includes('collapsed'))).toEqual([
      expect.stringMatching(
        /^step \d+: collapsed: for 20 steps all images have had nearly the same embedding \(embedding std 0\.0\d+, effective rank 1\.\d+, loss 3\.\d+\)$/,
      ),
    ]);
  });

  it('ends there with a checkpoint where its spec says so, and refuses to go on from it', async () => {
    const spec = patternSpec({ ...COLLAPSING, health: { onCollapse: 'stop' } });
    const { reports, states, error } = await runPatterns(spec);

    expect(reports.at(-1)!.collapsed).toBe(true);
    expect(reports.length).toBeLessThan(70);
    expect(states.map(({ step }) => step)).toEqual([reports.length]);
    expect(error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/^step \d+: collapsed: /),
    });
    const again = await runPatterns(spec, { resume: states[0]! });
    expect(again.error).toMatchObject({ message: error!.message });
    expect(again.reports).toEqual([]);
  });
});

describe.each(METHODS)('a healthy run: %s', (_, change) => {
  it('starts where it is expected to, and raises neither warning nor alarm', async () => {
    const groups = [patterns([8, 8, 1], 36), patterns([8, 8, 8, 1], 24)];
    const spec = patternSpec({ ...change, steps: 40 });
    const { reports, warnings, error } = await runPatterns(spec, { groups });

    expect(error).toBeUndefined();
    expect(warnings).toEqual([]);
    expect(reports.some(({ collapsed }) => collapsed)).toBe(false);
    for (const { effectiveRank } of reports) {
      expect(effectiveRank).toBeGreaterThan(1);
      expect(effectiveRank).toBeLessThanOrEqual(24);
    }
  });
});

it('is not alarmed by a label that images do not tell: all embeddings share one vector, and differ nonetheless', async () => {
  const group = patterns([8, 8, 1], 96);
  for (const [index, { labels }] of group.records.entries())
    labels.bright = Number(Rng.of('coin', index).uniform(0, 1) < 0.5);
  const spec = patternSpec({
    method: { name: 'supervised', task: 'bright' },
    optimiser: { learningRate: 1e-2, warmupSteps: 3 },
    batchSize: 32,
    steps: 40,
  });
  const { reports, warnings } = await runPatterns(spec, { groups: [group] });

  expect(Math.max(...reports.slice(-20).map(({ embeddingStd }) => embeddingStd!))).toBeLessThan(0.1);
  expect(Math.max(...reports.slice(-20).map(({ effectiveRank }) => effectiveRank!))).toBeLessThan(1.7);
  expect(warnings).toEqual([]);
});

it('warns of a first loss that is nowhere near its start', async () => {
  const spec = patternSpec({ method: { name: 'jigsaw', grid2d: [2, 2], permutations: 10 }, steps: 2 });
  const method = methodOf(spec.method);
  const { loss } = method;
  // As if the mean had been a sum.
  method.loss = (...given) => {
    const made = loss(...given);
    return { ...made, loss: made.loss.mul(12) };
  };
  try {
    const { warnings } = await runPatterns(spec);

    expect(warnings).toEqual([
      'step 1: loss 27.63, where jigsaw with random weights starts between 2.3 and 2.305, near 2.303: look at the settings of the loss, the labels and the range of the pixels',
    ]);
    const transferred = await runPatterns(spec, {
      initial: {
        checkpoint: 'some',
        transfer: { weights: new Map(), newRows: new Map(), reshaped: [], leftBehind: [] },
        allow: ['*'],
      },
    });
    expect(transferred.warnings).toEqual([]);
  } finally {
    method.loss = loss;
  }
});
