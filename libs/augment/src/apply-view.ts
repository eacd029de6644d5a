import { Rng } from '@medformer/schema';
import type { ViewParameters } from './draw-view.js';

/** Pixels of one image with its shape: [height, width, channels] or [depth, height, width, channels]. */
export interface ImagePixels {
  pixels: Uint8Array | Uint16Array | Float32Array;
  shape: readonly number[];
}

/**
 * Applies drawn parameters: one resampling (crop, rotation and mirroring composed, linear interpolation, edges
 * repeated), then bias field, contrast, gamma, inversion, intensity curve, blur, noise.
 * @param out float32 of the image's own shape, filled with the view in [0, 1]
 */
export function applyView(image: ImagePixels, view: ViewParameters, out: Float32Array): Float32Array {
  const axes = image.shape.length - 1;
  if (axes === 3) resample3d(image, view, out);
  else resample2d(image, view, out);
  recolour(view, image.shape, out);
  if (view.blurSigma > 0) {
    for (let axis = axes - 2; axis < axes; axis += 1) blurAlong(out, image.shape, axis, view.blurSigma);
  }
  if (view.noise > 0) addNoise(out, view.noise, view.noiseSeed);
  for (let i = 0; i < out.length; i += 1) out[i] = Math.min(1, Math.max(0, out[i]!));
  return out;
}

/** The factor that brings stored pixels to [0, 1]. */
export function pixelScale(pixels: ImagePixels['pixels']): number {
  if (pixels instanceof Uint8Array) return 1 / 255;
  return pixels instanceof Uint16Array ? 1 / 65535 : 1;
}

/** The in-plane affine map from output to source pixels: centre + R (halfEdge * flip * offset from the middle). */
function planeMap(view: ViewParameters, height: number, width: number) {
  const axes = view.centre.length;
  const [centreY, centreX] = view.centre.slice(axes - 2) as [number, number];
  const [halfY, halfX] = view.halfEdge.slice(axes - 2) as [number, number];
  const cos = Math.cos(view.rotation);
  const sin = Math.sin(view.rotation);
  const signY = view.flip[0] ? -1 : 1;
  const signX = view.flip[1] ? -1 : 1;
  return {
    rowStart: ((centreY + 1) * height) / 2 - 0.5,
    columnStart: ((centreX + 1) * width) / 2 - 0.5,
    rowPerRow: cos * halfY * signY,
    rowPerColumn: -sin * halfX * signX,
    columnPerRow: sin * halfY * signY,
    columnPerColumn: cos * halfX * signX,
    rowMiddle: (height - 1) / 2,
    columnMiddle: (width - 1) / 2,
  };
}

function resample2d({ pixels, shape }: ImagePixels, view: ViewParameters, out: Float32Array): void {
  const [height, width, channels] = shape as [number, number, number];
  const map = planeMap(view, height, width);
  const scale = pixelScale(pixels);
  let at = 0;
  for (let r = 0; r < height; r += 1) {
    const dr = r - map.rowMiddle;
    for (let c = 0; c < width; c += 1) {
      const dc = c - map.columnMiddle;
      const y = clamp(map.rowStart + dr * map.rowPerRow + dc * map.rowPerColumn, height - 1);
      const x = clamp(map.columnStart + dr * map.columnPerRow + dc * map.columnPerColumn, width - 1);
      const y0 = Math.floor(y);
      const x0 = Math.floor(x);
      const fy = y - y0;
      const fx = x - x0;
      const down = y0 < height - 1 ? width * channels : 0;
      const right = x0 < width - 1 ? channels : 0;
      let from = (y0 * width + x0) * channels;
      for (let k = 0; k < channels; k += 1, from += 1, at += 1) {
        const top = pixels[from]! * (1 - fx) + pixels[from + right]! * fx;
        const bottom = pixels[from + down]! * (1 - fx) + pixels[from + down + right]! * fx;
        out[at] = (top * (1 - fy) + bottom * fy) * scale;
      }
    }
  }
}

function resample3d({ pixels, shape }: ImagePixels, view: ViewParameters, out: Float32Array): void {
  const [depth, height, width, channels] = shape as [number, number, number, number];
  const map = planeMap(view, height, width);
  const scale = pixelScale(pixels);
  const slice = height * width * channels;
  const sliceStart = ((view.centre[0]! + 1) * depth) / 2 - 0.5;
  let at = 0;
  for (let s = 0; s < depth; s += 1) {
    const z = clamp(sliceStart + (s - (depth - 1) / 2) * view.halfEdge[0]!, depth - 1);
    const z0 = Math.floor(z);
    const fz = z - z0;
    const back = z0 < depth - 1 ? slice : 0;
    for (let r = 0; r < height; r += 1) {
      const dr = r - map.rowMiddle;
      for (let c = 0; c < width; c += 1) {
        const dc = c - map.columnMiddle;
        const y = clamp(map.rowStart + dr * map.rowPerRow + dc * map.rowPerColumn, height - 1);
        const x = clamp(map.columnStart + dr * map.columnPerRow + dc * map.columnPerColumn, width - 1);
        const y0 = Math.floor(y);
        const x0 = Math.floor(x);
        const fy = y - y0;
        const fx = x - x0;
        const down = y0 < height - 1 ? width * channels : 0;
        const right = x0 < width - 1 ? channels : 0;
        let from = z0 * slice + (y0 * width + x0) * channels;
        for (let k = 0; k < channels; k += 1, from += 1, at += 1) {
          const front =
            (pixels[from]! * (1 - fx) + pixels[from + right]! * fx) * (1 - fy) +
            (pixels[from + down]! * (1 - fx) + pixels[from + down + right]! * fx) * fy;
          const behind = from + back;
          const rear =
            (pixels[behind]! * (1 - fx) + pixels[behind + right]! * fx) * (1 - fy) +
            (pixels[behind + down]! * (1 - fx) + pixels[behind + down + right]! * fx) * fy;
          out[at] = (front * (1 - fz) + rear * fz) * scale;
        }
      }
    }
  }
}

/** Bias field, contrast about the mean, brightness, gamma and inversion, in one pass after the mean. */
function recolour(view: ViewParameters, shape: readonly number[], out: Float32Array): void {
  const axes = shape.length - 1;
  const channels = shape[axes]!;
  const fields = view.bias.map(([linear, quadratic], axis) => {
    const edge = shape[axis]!;
    return Float32Array.from({ length: edge }, (_, i) => {
      const place = edge > 1 ? (2 * i) / (edge - 1) - 1 : 0;
      return Math.exp(linear * place + quadratic * place * place);
    });
  });
  let mean = 0;
  for (let i = 0; i < out.length; i += 1) mean += out[i]!;
  mean /= out.length;
  const [height, width] = shape.slice(axes - 2) as [number, number];
  const [alongRows, alongColumns] = fields.slice(axes - 2) as [Float32Array, Float32Array];
  const depth = axes === 3 ? shape[0]! : 1;
  let at = 0;
  for (let s = 0; s < depth; s += 1) {
    const sliceField = axes === 3 ? fields[0]![s]! : 1;
    for (let r = 0; r < height; r += 1) {
      const rowField = sliceField * alongRows[r]!;
      for (let c = 0; c < width; c += 1) {
        const field = rowField * alongColumns[c]!;
        for (let k = 0; k < channels; k += 1, at += 1) {
          const lit = (out[at]! * field - mean) * view.contrast + mean + view.brightness;
          const value = Math.min(1, Math.max(0, lit)) ** view.gamma;
          out[at] = remap(view.curve, view.invert ? 1 - value : value);
        }
      }
    }
  }
}

/** The intensity curve at `value` in [0, 1]. */
function remap(curve: readonly number[], value: number): number {
  if (curve.length === 0) return value;
  const place = value * (curve.length - 1);
  const below = Math.min(Math.floor(place), curve.length - 2);
  return curve[below]! + (curve[below + 1]! - curve[below]!) * (place - below);
}

/** Gaussian blur along one axis, edges repeated. */
function blurAlong(out: Float32Array, shape: readonly number[], axis: number, sigma: number): void {
  const radius = Math.max(1, Math.ceil(2.5 * sigma));
  const kernel = Float32Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = kernel.reduce((total, weight) => total + weight, 0);
  const edge = shape[axis]!;
  const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const line = new Float32Array(edge);
  for (let block = 0; block < out.length; block += edge * stride) {
    for (let inner = 0; inner < stride; inner += 1) {
      const start = block + inner;
      for (let i = 0; i < edge; i += 1) line[i] = out[start + i * stride]!;
      for (let i = 0; i < edge; i += 1) {
        let value = 0;
        for (let k = -radius; k <= radius; k += 1) {
          value += kernel[k + radius]! * line[Math.min(edge - 1, Math.max(0, i + k))]!;
        }
        out[start + i * stride] = value / sum;
      }
    }
  }
}

function addNoise(out: Float32Array, sigma: number, seed: number): void {
  const rng = Rng.of('view-noise', seed);
  for (let i = 0; i < out.length; i += 1) out[i]! += rng.normal(0, sigma);
}

function clamp(value: number, high: number): number {
  return Math.min(Math.max(value, 0), high);
}
