import { type RunSpec, sha256 } from '@medformer/schema';
import { useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { patternSpec, patterns } from '../testing/patterns.js';
import { type RunState, type StepReport, trainRun } from '../train-run.js';
import type { TrainingGroup } from '../training-group.js';

const IMAGE_GPT = specOf({ method: { name: 'image-gpt', codes: 8, codebookPatches: 200 } });
const MEAN_TEACHER = specOf({
  method: { name: 'consistency', task: 'pattern', weight: 5, embeddingWeight: 1 },
  ema: { decay: 0.9 },
});
const PI_MODEL = specOf({ method: { name: 'consistency', task: 'pattern', teacher: 'none', weight: 5 } });
/** Grey images, colour images and volumes. */
const GROUPS = [patterns([8, 8, 1], 20), patterns([8, 12, 3], 14), patterns([4, 8, 8, 1], 13)];

beforeAll(async () => {
  await useBackend();
});

describe.each([
  ['image GPT', IMAGE_GPT, GROUPS],
  ['a mean teacher', MEAN_TEACHER, [GROUPS[0]!, GROUPS[2]!]],
  ['the Pi model', PI_MODEL, [GROUPS[0]!]],
])('a run of %s', (_, spec, groups) => {
  it('runs as recorded functions, reports an accuracy, and goes on from a checkpoint to the same bytes', async () => {
    const unbroken = await run(spec, { groups });
    const resumed = await run(spec, { groups, resume: unbroken.states[0]! });

    for (const { recorded, accuracy, embeddingStd } of unbroken.reports) {
      expect(recorded).toBe(true);
      expect(accuracy! >= 0 && accuracy! <= 1).toBe(true);
      expect(embeddingStd!).toBeGreaterThan(0);
    }
    expect(unbroken.states[0]!.step).toBe(3);
    expect(resumed.state.history).toEqual(unbroken.state.history);
    expect(bytesOf(resumed.state)).toEqual(bytesOf(unbroken.state));
  });

  it('computes a step in parts too', async () => {
    const { reports } = await run({ ...spec, accumulate: 2, steps: 2 }, { groups: groups.slice(0, 1) });

    expect(reports.every(({ loss, recorded }) => Number.isFinite(loss) && recorded)).toBe(true);
  });
});

it('keeps the codebooks as they were fitted', async () => {
  const { states } = await run(IMAGE_GPT);
  const books = ({ weights }: RunState) =>
    [...weights].filter(([name]) => name.includes('codebook')).map(([name, { data }]) => [name, [...data]]);

  expect(books(states[0]!).map(([name]) => name)).toEqual([
    'method/image-gpt/codebook-2d-1',
    'method/image-gpt/codebook-2d-3',
    'method/image-gpt/codebook-3d-1',
  ]);
  expect(books(states[1]!)).toEqual(books(states[0]!));
});

it('learns nothing from a label that is hidden', async () => {
  const hide = (labels: (index: number) => number | undefined) =>
    GROUPS.slice(0, 1).map((group) => ({
      ...group,
      records: group.records.map((record, index) => {
        const label = labels(index);
        return { ...record, labels: label === undefined ? {} : { pattern: label } };
      }),
    }));

  const few = hide((index) => (index < 6 ? index % 3 : undefined));
  const state = (await run(MEAN_TEACHER, { groups: few })).state;
  const other = hide((index) => (index < 6 ? (index + 1) % 3 : undefined));

  expect(bytesOf((await run(MEAN_TEACHER, { groups: few })).state)).toEqual(bytesOf(state));
  expect(bytesOf((await run(MEAN_TEACHER, { groups: other })).state)).not.toEqual(bytesOf(state));
});

it('refuses a mean teacher without the moving average that teaches', () => {
  expect(() => specOf({ method: { name: 'consistency', task: 'pattern' } })).toThrow(/moving average/);
  expect(specOf({ method: { name: 'consistency', task: 'pattern', teacher: 'none' } }).ema).toBeUndefined();
});

function specOf(change: object): RunSpec {
  return patternSpec({ batchSize: 8, steps: 6, checkpointEvery: 3, ...change });
}

async function run(spec: RunSpec, given: { groups?: TrainingGroup[]; resume?: RunState } = {}) {
  const states: RunState[] = [];
  const reports: StepReport[] = [];
  const state = await trainRun({
    spec,
    groups: GROUPS,
    codes: { modalities: ['ct'], bodyParts: [], tasks: 'task' in spec.method ? ['pattern'] : [] },
    heads: 'task' in spec.method ? [{ task: 'pattern', classes: 3 }] : [],
    signal: new AbortController().signal,
    onStep: (report) => reports.push(report),
    onCheckpoint: async (reached) => {
      states.push(reached);
    },
    onWarning: (message) => {
      throw new Error(message);
    },
    ...given,
  });
  return { state, states, reports };
}

function bytesOf({ weights, optimiser }: RunState): string[] {
  return [...weights, ...optimiser].map(
    ([name, { data }]) => `${name} ${sha256(Buffer.from(data.buffer, data.byteOffset, data.byteLength))}`,
  );
}
