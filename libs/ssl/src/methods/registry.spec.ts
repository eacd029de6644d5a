import { Medformer } from '@medformer/medformer';
import { MethodSpec, Rng } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import { beforeAll, describe, expect, it } from 'vitest';
import { METHODS, methodOf } from './registry.js';

const SPECS: Record<MethodSpec['name'], MethodSpec> = {
  simclr: MethodSpec.parse({ name: 'simclr', projection: [16, 8] }),
  'barlow-twins': MethodSpec.parse({ name: 'barlow-twins', projection: [16, 8] }),
  supervised: MethodSpec.parse({ name: 'supervised', task: 'region' }),
};
const IMAGES = 6;

beforeAll(async () => {
  await useBackend();
});

it('holds every method that a run can ask for, under its own name', () => {
  const known = MethodSpec.options.map((option) => option.shape.name.value);

  expect(Object.keys(METHODS).sort()).toEqual([...known].sort());
  for (const [name, method] of Object.entries(METHODS)) expect(method.name).toBe(name);
});

describe.each(Object.values(SPECS))('$name', (spec) => {
  const method = methodOf(spec);

  it('computes a finite loss and the outputs of every view, and every parameter it makes is its own', () => {
    const codes = { modalities: [], bodyParts: [], tasks: ['region'] };
    const config = {
      width: 24,
      depth: 1,
      heads: 3,
      latents: 4,
      mlpRatio: 2,
      patch2d: 4,
      patch3d: 4,
      frequencies: 2,
    } as const;
    const model = new Medformer(config, codes, [{ task: 'region', classes: 3 }]);
    const before = new Set(model.parameters.entries().map(([name]) => name));
    tf.tidy(() => {
      const views = method.policies.length * IMAGES;
      const rng = Rng.of('registry');
      const pixels = tf.tensor4d(
        Float32Array.from({ length: views * 64 }, () => rng.uniform()),
        [views, 8, 8, 1],
      );
      const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat();
      const { loss, h, accuracy } = method.loss(spec, model, model.prepare(pixels, {}), {
        labels,
        drawn: {},
        ramp: tf.scalar(1),
      });

      expect(loss.shape).toEqual([]);
      expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
      expect(h.shape[0]).toBe(views);
      expect(accuracy !== undefined).toBe(spec.name === 'supervised');
    });
    const made = model.parameters.entries().flatMap(([name]) => (before.has(name) ? [] : [name]));
    expect(made.every((name) => name.startsWith(`method/${spec.name}/`))).toBe(true);
    expect(made.length > 0).toBe(spec.name !== 'supervised');
    model.dispose();
  });
});

describe('the loss to expect before anything is learnt', () => {
  it('is ln(2N - 1) for SimCLR and ln(classes) for labels', () => {
    expect(methodOf(SPECS.simclr).expected(SPECS.simclr, 128, 0).start).toBeCloseTo(5.541, 3);
    expect(methodOf(SPECS.supervised).expected(SPECS.supervised, 128, 10).start).toBeCloseTo(Math.log(10), 9);
  });

  it('is D (1 + 1/N) + lambda D (D - 1) / N for Barlow Twins, with the last term as its floor', () => {
    const spec = MethodSpec.parse({ name: 'barlow-twins', projection: [9, 2048], lambda: 0.005 });

    const { start, floor } = methodOf(spec).expected(spec, 256, 0);

    expect(start).toBeCloseTo(2137.9, 0);
    expect(floor).toBeCloseTo((0.005 * 2048 * 2047) / 256, 6);
  });
});
