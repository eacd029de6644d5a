import { Rng, ViewPolicy } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { drawView } from './draw-view.js';
import { VIEW_POLICIES } from './view-policy.js';

const POLICY: ViewPolicy = {
  cropScale: [0.3, 0.6],
  cropAspect: [0.8, 1.25],
  rotation: [-30, 10],
  flip: [0.25, 0.75],
  contrast: [0.5, 2],
  brightness: [-0.3, 0.1],
  gamma: [0.25, 4],
  invert: 0.1,
  curve: 0.4,
  biasField: [0.1, 0.4],
  blur: 0.6,
  blurSigma: [0.4, 0.9],
  noise: [0.01, 0.05],
};

describe.each([2, 3])('parameters for %i spatial axes', (axes) => {
  const DRAWS = 2000;
  const drawn = Array.from({ length: DRAWS }, (_, index) => drawView(POLICY, axes, Rng.of('draw', index)));

  it('stay in the ranges of the policy', () => {
    for (const view of drawn) {
      const area = view.halfEdge.reduce((product, half) => product * half, 1);
      expect(within(area, POLICY.cropScale)).toBe(true);
      expect(within((view.rotation * 180) / Math.PI, POLICY.rotation)).toBe(true);
      expect(within(view.contrast, POLICY.contrast)).toBe(true);
      expect(within(view.brightness, POLICY.brightness)).toBe(true);
      expect(within(view.gamma, POLICY.gamma)).toBe(true);
      expect(within(view.noise, POLICY.noise)).toBe(true);
      expect(view.blurSigma === 0 || within(view.blurSigma, POLICY.blurSigma)).toBe(true);
      expect(view.curve.every((value) => within(value, [0, 1]))).toBe(true);
      for (const [linear, quadratic] of view.bias) {
        expect(Math.abs(linear)).toBeLessThanOrEqual(POLICY.biasField[1]);
        expect(Math.abs(quadratic)).toBeLessThanOrEqual(POLICY.biasField[1] / 2);
      }
    }
  });

  it('crop inside the image, edges in the ratio of the policy', () => {
    for (const { halfEdge, centre } of drawn) {
      expect([halfEdge.length, centre.length]).toEqual([axes, axes]);
      halfEdge.forEach((half, axis) => {
        expect(Math.abs(centre[axis]!) + half).toBeLessThanOrEqual(1 + 1e-12);
        for (const other of halfEdge) expect(within(half / other, POLICY.cropAspect)).toBe(true);
      });
    }
  });

  it('come as often as the policy says', () => {
    const share = (of: (view: (typeof drawn)[number]) => boolean) => drawn.filter(of).length / DRAWS;

    // Three standard deviations of a share of 2000 draws are at most 0.034.
    expect(Math.abs(share(({ flip }) => flip[0]) - 0.25)).toBeLessThan(0.034);
    expect(Math.abs(share(({ flip }) => flip[1]) - 0.75)).toBeLessThan(0.034);
    expect(Math.abs(share(({ invert }) => invert) - 0.1)).toBeLessThan(0.034);
    expect(Math.abs(share(({ blurSigma }) => blurSigma > 0) - 0.6)).toBeLessThan(0.034);
    expect(Math.abs(share(({ curve }) => curve.length > 0) - 0.4)).toBeLessThan(0.034);
    // As often stronger as weaker: contrast and gamma are drawn by their logarithm.
    expect(Math.abs(share(({ contrast }) => contrast > 1) - 0.5)).toBeLessThan(0.034);
    expect(Math.abs(share(({ gamma }) => gamma > 1) - 0.5)).toBeLessThan(0.034);
  });

  it('are the same for the same key, whatever was drawn in between', () => {
    const first = drawView(POLICY, axes, Rng.of('image', 1));
    drawView(POLICY, axes, Rng.of('image', 2));

    expect(drawView(POLICY, axes, Rng.of('image', 1))).toEqual(first);
    expect(drawView(POLICY, axes, Rng.of('image', 2))).not.toEqual(first);
  });
});

it('keeps a crop of the whole image whole', () => {
  const whole = { ...POLICY, cropScale: [1, 1] as [number, number], cropAspect: [1, 1] as [number, number] };

  const { halfEdge, centre } = drawView(whole, 2, Rng.of(1));

  expect(halfEdge).toEqual([1, 1]);
  expect(centre.map(Math.abs)).toEqual([0, 0]);
});

describe('the policies', () => {
  it('are what their schema says', () => {
    for (const policy of Object.values(VIEW_POLICIES).flat())
      expect(ViewPolicy.parse(policy)).toEqual(policy);
  });

  it('are two per self-supervised method, the second view of Barlow Twins drawn otherwise, and one for labels', () => {
    expect(VIEW_POLICIES.simclr).toHaveLength(2);
    expect(VIEW_POLICIES['barlow-twins']).toHaveLength(2);
    expect(VIEW_POLICIES['barlow-twins'][0]).not.toEqual(VIEW_POLICIES['barlow-twins'][1]);
    expect(VIEW_POLICIES.supervised).toHaveLength(1);
  });

  it('are refused with a range upside down or a probability above 1', () => {
    expect(ViewPolicy.safeParse({ ...POLICY, noise: [0.2, 0.1] }).error?.issues).toMatchObject([
      { path: ['noise'], message: 'expected [low, high]' },
    ]);
    expect(ViewPolicy.safeParse({ ...POLICY, flip: [0.5, 1.5] }).error?.issues).toMatchObject([
      { path: ['flip', 1] },
    ]);
  });
});

function within(value: number, [low, high]: readonly [number, number]): boolean {
  return value >= low - 1e-9 && value <= high + 1e-9;
}
