import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { NoiseField } from '../noise-field.js';
import { Camera, type Plane, type Scene } from '../scene.js';
import { rod, type Shape, solid } from '../shape.js';
import { HOUNSFIELD, Tissue, UPTAKE } from '../tissue.js';
import { Warp } from '../warp.js';
import { addCtNoise } from './ct.js';
import { receive, spinEchoSignal } from './mri.js';
import { acquirePet } from './pet.js';
import { ATTENUATION, expose } from './xray.js';

const camera = new Camera();
const sampling = { inPlane: 1, through: 8 };

function scene(...shapes: Shape[]): Scene {
  return { shapes, noise: new NoiseField(Rng.of('noise')), warp: Warp.identity() };
}

/** An axial plane of 28 x 28 pixels of 4 mm through the origin. */
const plane: Plane = {
  rows: 28,
  columns: 28,
  centre: [0, 0, 0],
  across: [4, 0, 0],
  down: [0, -4, 0],
  through: [0, 0, 4],
};
const frontal: Plane = { ...plane, down: [0, 0, -4], through: [0, 100, 0] };
const centre = 14 * 28 + 14;
const water = solid(Tissue.Fluid, [0, 0, 0], [45, 45, 45]);

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('CT', () => {
  it('reads water near 0 HU and air at -1000', () => {
    const hounsfield = camera.look(scene(water), HOUNSFIELD, plane, sampling);
    expect(Math.abs(hounsfield[centre]!)).toBeLessThan(10);
    expect(hounsfield[0]).toBe(-1000);
  });

  it('adds noise of the deviation asked for, correlated between neighbours, without moving the mean', () => {
    const hounsfield = new Float32Array(100 * 100);
    addCtNoise(hounsfield, [100, 100], 40, Rng.of('ct'));
    const deviation = Math.sqrt(mean(hounsfield.map((value) => value ** 2)));
    expect(deviation / 40).toBeCloseTo(1, 1);
    expect(Math.abs(mean(hounsfield))).toBeLessThan(3);
    const lagged = hounsfield.slice(0, -1).map((value, i) => value * hounsfield[i + 1]!);
    expect(mean(lagged) / deviation ** 2).toBeGreaterThan(0.2);
  });
});

describe('MRI', () => {
  it('shows fat bright and fluid dark with T1 weighting, fluid bright with T2 weighting', () => {
    const t1 = spinEchoSignal(500, 12);
    const t2 = spinEchoSignal(4000, 100);
    expect(t1[Tissue.Fat]!).toBeGreaterThan(t1[Tissue.WhiteMatter]!);
    expect(t1[Tissue.WhiteMatter]!).toBeGreaterThan(t1[Tissue.GreyMatter]!);
    expect(t1[Tissue.GreyMatter]!).toBeGreaterThan(t1[Tissue.Fluid]!);
    expect(t2[Tissue.Fluid]!).toBeGreaterThan(t2[Tissue.GreyMatter]!);
    expect(t2[Tissue.GreyMatter]!).toBeGreaterThan(t2[Tissue.WhiteMatter]!);
    expect(t2[Tissue.Bone]!).toBeLessThan(0.05);
  });

  it('receives a background of Rayleigh noise, whose mean is sigma sqrt(pi / 2)', () => {
    const signal = new Float32Array(100 * 100);
    receive(signal, [100, 100], 0.3, 0.05, Rng.of('mri'));
    expect(mean(signal) / (0.05 * Math.sqrt(Math.PI / 2))).toBeCloseTo(1, 1);
  });
});

describe('PET', () => {
  it('shows a lesion hotter than the tissue around it and keeps the mean uptake', () => {
    const body = [
      solid(Tissue.Muscle, [0, 0, 0], [45, 45, 45]),
      solid(Tissue.Tumour, [0, 0, 0], [10, 10, 10]),
    ];
    const uptake = camera.look(scene(...body), UPTAKE, plane, sampling);
    const before = mean(uptake);
    acquirePet(uptake, [28, 28], [0.8, 0.8], 20, Rng.of('pet'));
    expect(uptake[centre]!).toBeGreaterThan(4 * uptake[centre - 8]!);
    expect(mean(uptake) / before).toBeCloseTo(1, 1);
  });
});

describe('X-ray', () => {
  it('shows thicker bone brighter, and bone brighter than soft tissue', () => {
    const limb = (boneRadius: number) =>
      scene(
        solid(Tissue.Muscle, [0, 0, 0], [45, 45, Infinity]),
        rod(Tissue.Bone, [0, 0, -99], [0, 0, 99], boneRadius),
      );
    const [thin, thick] = [8, 18].map((radius) => {
      const path = camera.look(limb(radius), ATTENUATION, frontal, { inPlane: 1, through: 40 });
      const film = path.map((value) => value * 100);
      expose(film, 1e5, Rng.of('film'));
      return film;
    }) as [Float32Array, Float32Array];
    expect(thick[centre]!).toBeGreaterThan(thin[centre]! + 0.1);
    expect(thin[centre]!).toBeGreaterThan(thin[centre + 7]! + 0.1);
    expect(thin[centre + 7]!).toBeGreaterThan(thin[14 * 28]! + 0.1);
  });

  it('obeys the law of Beer and Lambert for a slab of water', () => {
    const path = camera.look(scene(water), ATTENUATION, frontal, { inPlane: 1, through: 200 });
    const chord = 2 * Math.sqrt(45 ** 2 - 2 * 2 ** 2);
    expect((path[centre]! * 100) / (0.0206 * 1.005 * chord)).toBeCloseTo(1, 1);
  });
});
