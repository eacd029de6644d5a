import { Medformer } from '@medformer/medformer';
import { RunSpec } from '@medformer/schema';
import { bfloat16Instructions, tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { patternData, patternSpec, patterns, runPatterns } from './testing/patterns.js';
import { TrainSession } from './train-session.js';

/** Of the first loss. Measured: 5.5 % (SimCLR) and 1.9 % (supervised) at most. */
const TOLERANCE = 0.1;

const METHODS: [string, object][] = [
  ['simclr', { method: { name: 'simclr' } }],
  ['supervised', { method: { name: 'supervised', task: 'pattern' } }],
];

beforeAll(async () => {
  await useBackend();
});

describe.each(METHODS)('%s in mixed-bfloat16', (_, change) => {
  const spec = (precision: string) => patternSpec({ ...change, steps: 50, precision });

  it('follows float32 over its first 50 steps, recorded, and stores float32', async () => {
    const [exact, mixed] = [await runPatterns(spec('float32')), await runPatterns(spec('mixed-bfloat16'))];
    const first = exact.reports[0]!.loss;
    const off = mixed.reports.map(({ loss }, at) => Math.abs(loss - exact.reports[at]!.loss) / first);

    expect(mixed.error).toBeUndefined();
    // A processor without bfloat16 instructions is warned of.
    expect(mixed.warnings).toHaveLength(exact.warnings.length + Number(bfloat16Instructions() === false));
    expect(mixed.reports).toHaveLength(50);
    expect(mixed.reports.every(({ recorded }) => recorded)).toBe(true);
    expect(Math.max(...off)).toBeGreaterThan(0);
    expect(Math.max(...off)).toBeLessThan(TOLERANCE);
    const { weights, optimiser } = mixed.states.at(-1)!;
    for (const { dtype } of [...weights.values(), ...optimiser.values()]) expect(dtype).toBe('F32');
  });
});

it('learns in mixed-bfloat16 a class that is plain to see', async () => {
  const method = { name: 'supervised', task: 'pattern' };
  const { reports } = await runPatterns(patternSpec({ method, steps: 60, precision: 'mixed-bfloat16' }));
  const accuracy = reports.slice(-10).reduce((sum, { accuracy }) => sum + accuracy!, 0) / 10;

  expect(accuracy).toBeGreaterThan(0.6); // by chance 0.33, in float32 0.73
});

it('monitors with the weights as any evaluation reads them: in float32', () => {
  const spec = patternSpec({ method: { name: 'simclr' }, precision: 'mixed-bfloat16' });
  const data = patternData(spec, [patterns([8, 8, 1], 6)]);
  const session = new TrainSession({ spec, ...data, onWarning: () => {} });
  const { weights } = session.stored();
  const model = new Medformer(spec.model, data.codes, data.heads, { seed: 0, stored: weights });
  tf.tidy(() => {
    const pixels = tf.randomUniform([3, 8, 8, 1], 0, 1, 'float32', 1);

    expect(session.embed(pixels, {}).dataSync()).toEqual(model.embed(pixels).dataSync());
  });
  session.dispose();
  model.dispose();
});

it('is float32 where a run does not say, as in records that were written before', () => {
  const { precision: _, ...before } = patternSpec({ method: { name: 'simclr' } });

  expect(RunSpec.parse(before).precision).toBe('float32');
});

it('refuses without native TensorFlow', async () => {
  await useBackend({ prefer: 'wasm' });
  const spec = patternSpec({ method: { name: 'simclr' }, precision: 'mixed-bfloat16' });
  const { error } = await runPatterns(spec);

  expect(error).toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: 'spec: precision: mixed-bfloat16 needs native TensorFlow, found wasm',
  });
  await useBackend();
});
