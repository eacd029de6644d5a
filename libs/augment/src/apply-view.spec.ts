import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { applyView } from './apply-view.js';
import { drawView, type ViewParameters } from './draw-view.js';
import { type ImagePixels, pixelScale } from './image-pixels.js';
import { VIEW_POLICIES } from './view-policy.js';

const SHAPES = [
  [7, 7, 1],
  [5, 9, 1],
  [9, 5, 3],
  [1, 4, 1],
  [4, 5, 6, 1],
  [3, 6, 4, 3],
];

describe('a view that changes nothing', () => {
  it.each(SHAPES)('is the image: %i x %i x %i ...', (...shape) => {
    const image = randomImage(shape);

    expectClose(apply(image, {}), scaled(image));
  });

  it('brings 8 bits, 16 bits and floats to the same range', () => {
    const shape = [1, 3, 1];

    expectClose(apply({ shape, pixels: Uint8Array.of(0, 51, 255) }, {}), [0, 0.2, 1]);
    expectClose(apply({ shape, pixels: Uint16Array.of(0, 13107, 65_535) }, {}), [0, 0.2, 1]);
    expectClose(apply({ shape, pixels: Float32Array.of(0, 0.2, 1) }, {}), [0, 0.2, 1]);
  });
});

describe('geometry', () => {
  it.each(SHAPES)('mirrors each in-plane axis by itself: %i x %i x %i ...', (...shape) => {
    const image = randomImage(shape);
    const [vertical, horizontal] = [shape.length - 3, shape.length - 2];

    expectClose(apply(image, { flip: [true, false] }), moved(image, mirror(shape, [vertical])));
    expectClose(apply(image, { flip: [false, true] }), moved(image, mirror(shape, [horizontal])));
    expectClose(apply(image, { flip: [true, true] }), moved(image, mirror(shape, [vertical, horizontal])));
  });

  it.each([[[6, 6, 1]], [[7, 7, 3]], [[3, 5, 5, 1]]])('turns a square plane by a quarter: %j', (shape) => {
    const image = randomImage(shape);
    const [row, column] = [shape.length - 3, shape.length - 2];
    const edge = shape[row]!;
    // Output (r, c) shows what stands a quarter turn further: source row = middle - (c - middle), column = r.
    const turned = moved(image, (at) => at.with(row, edge - 1 - at[column]!).with(column, at[row]!));

    expectClose(apply(image, { rotation: Math.PI / 2 }), turned);
  });

  it('turns by any angle without shear, also where the image is not square', () => {
    const [height, width] = [41, 61];
    const sigma = 3;
    const [offsetRow, offsetColumn] = [4, 9];
    const blob = gaussianBlob(height, width, [20 + offsetRow, 30 + offsetColumn], sigma);
    for (const rotation of [-1.1, 0.35, 0.8]) {
      const { centre, spread } = moments(apply(blob, { rotation }), height, width);

      // Where the inverse rotation puts the offset from the middle.
      const [cos, sin] = [Math.cos(rotation), Math.sin(rotation)];
      expect(centre[0]).toBeCloseTo(20 + cos * offsetRow + sin * offsetColumn, 1);
      expect(centre[1]).toBeCloseTo(30 - sin * offsetRow + cos * offsetColumn, 1);
      // A round blob stays round and keeps its size.
      expect(Math.abs(spread.rows / spread.columns - 1)).toBeLessThan(0.03);
      expect(Math.abs(spread.mixed)).toBeLessThan(0.03 * sigma ** 2);
      expect(Math.abs(spread.rows / sigma ** 2 - 1)).toBeLessThan(0.1);
    }
  });

  it('turns every slice of a volume alike, and no slice into another', () => {
    const slice = randomImage([8, 8, 1]);
    const other = randomImage([8, 8, 1], 1);
    const stack = { shape: [2, 8, 8, 1], pixels: Uint8Array.of(...slice.pixels, ...other.pixels) };

    const turned = apply(stack, { rotation: 0.4 });

    expectClose(turned.subarray(0, 64), apply(slice, { rotation: 0.4 }));
    expectClose(turned.subarray(64), apply(other, { rotation: 0.4 }));
  });

  it('shows the crop: a ramp along each axis from one edge of the crop to the other', () => {
    const shape = [12, 20, 16, 1];
    const strides = [320, 16, 1];
    for (const axis of [0, 1, 2]) {
      const edge = shape[axis]!;
      // The value of a voxel is the coordinate of its centre in [0, 1] along the axis.
      const ramp = volumeOf(shape, (at) => (at[axis]! + 0.5) / edge);
      const halfEdge = [1, 1, 1].with(axis, 0.5);
      const centre = [0, 0, 0].with(axis, 0.25);

      const cropped = apply(ramp, { halfEdge, centre });

      // The crop covers [-0.25, 0.75] in [-1, 1], that is [0.375, 0.875] in [0, 1].
      for (let i = 0; i < edge; i += 1) {
        const inMiddle = 6 * 320 + 10 * 16 + 8;
        const at = inMiddle + (i - [6, 10, 8][axis]!) * strides[axis]!;
        expect(cropped[at]).toBeCloseTo(0.375 + (0.5 * (i + 0.5)) / edge, 5);
      }
    }
  });

  it('keeps the crop in place when mirroring: the mirrored crop is the crop, mirrored', () => {
    const image = randomImage([9, 14, 1]);
    const crop = { halfEdge: [0.6, 0.5], centre: [-0.3, 0.4] };
    const plain = apply(image, crop);

    const mirrored = apply(image, { ...crop, flip: [false, true] });

    expectClose(mirrored, moved({ shape: image.shape, pixels: plain }, mirror(image.shape, [1])));
  });

  it('repeats the edge where a turned view reaches beyond the image', () => {
    const white = { shape: [8, 12, 1], pixels: new Uint8Array(96).fill(255) };

    expectClose(apply(white, { rotation: 0.7 }), new Float32Array(96).fill(1));
  });

  it.each(SHAPES)(
    'interpolates between the neighbours wherever a view lies: %i x %i x %i ...',
    (...shape) => {
      const image = randomImage(shape);
      for (const rotation of [-0.3, 0.2, 1.2, 2.5]) {
        const view = {
          rotation,
          flip: [rotation > 0, rotation < 1] as [boolean, boolean],
          halfEdge: [0.7, 0.8, 0.9].slice(4 - shape.length),
          centre: [0.2, -0.1, 0.05].slice(4 - shape.length),
        };

        expectClose(apply(image, view), interpolated(image, view));
      }
    },
  );

  it('treats the channels of a colour image alike', () => {
    const grey = randomImage([6, 9, 1]);
    const pixels = Uint8Array.from({ length: 162 }, (_, at) => grey.pixels[Math.floor(at / 3)]!);
    const geometry = {
      rotation: 0.3,
      halfEdge: [0.7, 0.8],
      centre: [0.1, -0.2],
      flip: [true, false] as const,
    };

    const colour = apply({ shape: [6, 9, 3], pixels }, { ...geometry, flip: [true, false] });
    const expected = apply(grey, { ...geometry, flip: [true, false] });

    expectClose(
      colour,
      Float32Array.from(colour, (_, at) => expected[Math.floor(at / 3)]!),
    );
  });
});

describe('intensities', () => {
  const image: ImagePixels = { shape: [2, 2, 1], pixels: Float32Array.of(0.1, 0.3, 0.5, 0.7) };

  it.each<[string, Partial<ViewParameters>, number[]]>([
    // (x - 0.4) 0.5 + 0.4
    ['contrast about the mean', { contrast: 0.5 }, [0.25, 0.35, 0.45, 0.55]],
    ['brightness', { brightness: 0.2 }, [0.3, 0.5, 0.7, 0.9]],
    ['gamma', { gamma: 2 }, [0.01, 0.09, 0.25, 0.49]],
    ['inversion', { invert: true }, [0.9, 0.7, 0.5, 0.3]],
    ['contrast, then brightness', { contrast: 2, brightness: -0.1 }, [0, 0.1, 0.5, 0.9]],
    // 1 - (x + 0.1)^2
    [
      'brightness, then gamma, then inversion',
      { brightness: 0.1, gamma: 2, invert: true },
      [0.96, 0.84, 0.64, 0.36],
    ],
    // 0.1 and 0.3 lie on the way from 0.2 to 1, 0.5 and 0.7 on the way back to 0.
    ['a curve, linear between its points', { curve: [0.2, 1, 0] }, [0.36, 0.68, 1, 0.6]],
    ['inversion, then a curve', { invert: true, curve: [0.2, 1, 0] }, [0.2, 0.6, 1, 0.68]],
    ['cut off at 0 and 1', { contrast: 4 }, [0, 0, 0.8, 1]],
  ])('%s', (_, view, expected) => {
    expectClose(apply(image, view), expected);
  });

  it('lights the image by a field that is the product of one curve per axis', () => {
    const shape = [3, 5, 4, 1];
    const bias: [number, number][] = [
      [0.1, 0.05],
      [-0.2, 0.1],
      [0.15, -0.1],
    ];

    const lit = apply(
      volumeOf(shape, () => 0.5),
      { bias },
    );

    const logField = (axis: number, i: number) => {
      const place = (2 * i) / (shape[axis]! - 1) - 1;
      return bias[axis]![0] * place + bias[axis]![1] * place * place;
    };
    const expected = volumeOf(
      shape,
      (at) => 0.5 * Math.exp(logField(0, at[0]!) + logField(1, at[1]!) + logField(2, at[2]!)),
    );
    expectClose(lit, expected.pixels);
  });

  it('keeps the mean when it blurs, and spreads a point as a Gaussian', () => {
    const sigma = 0.9;
    const point = volumeOf([15, 15, 1], (at) => (at[0] === 7 && at[1] === 7 ? 1 : 0));

    const blurred = apply(point, { blurSigma: sigma });

    expect(sum(blurred)).toBeCloseTo(1, 5);
    const middle = blurred[7 * 15 + 7]!;
    expect(blurred[7 * 15 + 8]! / middle).toBeCloseTo(Math.exp(-1 / (2 * sigma ** 2)), 4);
    expect(blurred[9 * 15 + 7]! / middle).toBeCloseTo(Math.exp(-4 / (2 * sigma ** 2)), 4);
    expect(blurred[6 * 15 + 8]! / middle).toBeCloseTo(Math.exp(-2 / (2 * sigma ** 2)), 4);
  });

  it.each([0.3, 0.7, 1, 2])('blurs colours apart and repeats the edge: sigma %d', (sigma) => {
    const image = randomImage([6, 9, 3]);
    const [height, width] = [6, 9];
    const radius = Math.ceil(2.5 * sigma);
    const near = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
    const weight = (apart: number) => Math.exp(-(apart ** 2) / (2 * sigma ** 2));
    const total = near.reduce((all, apart) => all + weight(apart), 0) ** 2;
    const values = scaled(image);
    const inside = (at: number, edge: number) => Math.min(Math.max(at, 0), edge - 1);

    const expected = values.map((_, index) => {
      const [r, c, k] = placeOf(index, image.shape) as [number, number, number];
      const products = near.flatMap((dr) =>
        near.map((dc) => {
          const from = indexOf([inside(r + dr, height), inside(c + dc, width), k], image.shape);
          return values[from]! * weight(dr) * weight(dc);
        }),
      );
      return products.reduce((all, product) => all + product, 0) / total;
    });

    expectClose(apply(image, { blurSigma: sigma }), expected);
  });

  it('blurs in the plane only, also in a volume', () => {
    const stack = volumeOf([5, 9, 9, 1], (at) => (at[0] === 2 ? 0.8 : 0.2));

    expectClose(apply(stack, { blurSigma: 1 }), stack.pixels);
  });

  it('adds noise of the given standard deviation, the same for the same seed', () => {
    const grey = volumeOf([100, 100, 1], () => 0.5);
    const noisy = apply(grey, { noise: 0.05, noiseSeed: 3 });

    const deviation = Math.sqrt(sum(noisy.map((value) => (value - 0.5) ** 2)) / noisy.length);
    expect(deviation).toBeGreaterThan(0.0475);
    expect(deviation).toBeLessThan(0.0525);
    expect(Math.abs(sum(noisy) / noisy.length - 0.5)).toBeLessThan(0.003);
    expect(apply(grey, { noise: 0.05, noiseSeed: 3 })).toEqual(noisy);
    expect(apply(grey, { noise: 0.05, noiseSeed: 4 })).not.toEqual(noisy);
  });
});

describe('a drawn view', () => {
  const policies = Object.entries(VIEW_POLICIES).flatMap(([method, views]) =>
    views.map((policy, view) => ({ method, view, policy })),
  );

  it.each(policies)('is in [0, 1] and the same bytes every time: $method view $view', ({ policy }) => {
    for (const [index, shape] of SHAPES.entries()) {
      const image = randomImage(shape);
      for (let draw = 0; draw < 20; draw += 1) {
        const view = drawView(policy, shape.length - 1, Rng.of('apply', index, draw));
        const out = new Float32Array(image.pixels.length);

        expect(applyView(image, view, out)).toBe(out);
        expect(out.every((value) => value >= 0 && value <= 1)).toBe(true);
        expect(applyView(image, view, new Float32Array(out.length))).toEqual(out);
      }
    }
  });

  it('leaves the image as it is', () => {
    const image = randomImage([6, 5, 1]);
    const before = image.pixels.slice();

    applyView(image, drawView(VIEW_POLICIES.simclr[0], 2, Rng.of(1)), new Float32Array(30));

    expect(image.pixels).toEqual(before);
  });

  it('is the same view after its parameters were written as JSON', () => {
    const image = randomImage([4, 8, 8, 1]);
    const view = drawView(VIEW_POLICIES.simclr[0], 3, Rng.of(2));

    const replayed = JSON.parse(JSON.stringify(view)) as ViewParameters;

    expect(apply(image, replayed)).toEqual(apply(image, view));
  });
});

/** The image through a view that changes only what is given. */
function apply(image: ImagePixels, view: Partial<ViewParameters>): Float32Array {
  const axes = image.shape.length - 1;
  const nothing: ViewParameters = {
    centre: Array(axes).fill(0),
    halfEdge: Array(axes).fill(1),
    rotation: 0,
    flip: [false, false],
    contrast: 1,
    brightness: 0,
    gamma: 1,
    invert: false,
    curve: [],
    bias: Array.from({ length: axes }, () => [0, 0]),
    blurSigma: 0,
    noise: 0,
    noiseSeed: 0,
  };
  return applyView(image, { ...nothing, ...view }, new Float32Array(image.pixels.length));
}

function randomImage(shape: number[], seed = 0) {
  const rng = Rng.of('image', seed, ...shape);
  const length = shape.reduce((product, edge) => product * edge, 1);
  return { shape, pixels: Uint8Array.from({ length }, () => rng.integer(256)) };
}

function volumeOf(shape: number[], value: (at: number[]) => number) {
  const pixels = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
    value(placeOf(i, shape)),
  );
  return { shape, pixels };
}

function gaussianBlob(height: number, width: number, [row, column]: [number, number], sigma: number) {
  return volumeOf([height, width, 1], ([r, c]) =>
    Math.exp(-((r! - row) ** 2 + (c! - column) ** 2) / (2 * sigma ** 2)),
  );
}

const scaled = ({ pixels }: ImagePixels) => Float32Array.from(pixels, (value) => value * pixelScale(pixels));

/** What the view shows when output place `at` shows the source's place `source(at)`. */
function moved(image: ImagePixels, source: (at: number[]) => number[]): Float32Array {
  const values = scaled(image);
  return values.map((_, index) => values[indexOf(source(placeOf(index, image.shape)), image.shape)]!);
}

/** The view's geometry as its definition says it, one output place at a time. */
function interpolated(
  image: ImagePixels,
  { centre, halfEdge, rotation, flip }: Pick<ViewParameters, 'centre' | 'halfEdge' | 'rotation' | 'flip'>,
): Float32Array {
  const values = scaled(image);
  const edges = image.shape.slice(0, -1);
  const [cos, sin] = [Math.cos(rotation), Math.sin(rotation)];
  return values.map((_, index) => {
    const at = placeOf(index, image.shape);
    const offset = edges.map((edge, axis) => {
      const mirrored = flip[axis - (edges.length - 2)] ? -1 : 1;
      return (at[axis]! - (edge - 1) / 2) * halfEdge[axis]! * mirrored;
    });
    const [dr, dc] = offset.slice(-2) as [number, number];
    const turned = [...offset.slice(0, -2), cos * dr - sin * dc, sin * dr + cos * dc];
    const place = turned.map((shift, axis) => {
      const middle = ((centre[axis]! + 1) * edges[axis]!) / 2 - 0.5;
      return Math.min(Math.max(middle + shift, 0), edges[axis]! - 1);
    });
    const between = (known: number[]): number => {
      const axis = known.length;
      if (axis === edges.length) return values[indexOf([...known, at.at(-1)!], image.shape)]!;
      const low = Math.floor(place[axis]!);
      const share = place[axis]! - low;
      const lower = (1 - share) * between([...known, low]);
      return share > 0 ? lower + share * between([...known, low + 1]) : lower;
    };
    return between([]);
  });
}

const mirror = (shape: readonly number[], axes: number[]) => (at: number[]) =>
  at.map((place, axis) => (axes.includes(axis) ? shape[axis]! - 1 - place : place));

function placeOf(index: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  let rest = index;
  for (const edge of [...shape].reverse()) {
    at.unshift(rest % edge);
    rest = Math.floor(rest / edge);
  }
  return at;
}

const indexOf = (at: number[], shape: readonly number[]) =>
  at.reduce((index, place, axis) => index * shape[axis]! + place, 0);

const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

/** Centre of mass and second central moments. */
function moments(values: Float32Array, height: number, width: number) {
  const mass = sum(values);
  const mean = (f: (r: number, c: number) => number) =>
    values.reduce((total, value, at) => total + value * f(Math.floor(at / width), at % width), 0) / mass;
  expect(values.length).toBe(height * width);
  const [row, column] = [mean((r) => r), mean((_, c) => c)];
  return {
    centre: [row, column] as const,
    spread: {
      rows: mean((r) => (r - row) ** 2),
      columns: mean((_, c) => (c - column) ** 2),
      mixed: mean((r, c) => (r - row) * (c - column)),
    },
  };
}

function expectClose(found: Float32Array, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
  expect(worst).toBeLessThan(1e-6);
}
