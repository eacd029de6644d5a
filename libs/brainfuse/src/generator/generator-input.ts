import { paddedEdges, placesIn } from './grid-places.js';
import type { SeamMap } from './seam-map.js';

/** An image to be repaired, or its target, and where its seams are. */
export interface SeamedImage {
  /** float32 [...spatial, channels] in [0, 1]. */
  values: Float32Array;
  seam: SeamMap;
}

/** What goes into the network, on a grid that it can halve. */
export class GeneratorGrid {
  readonly padded: number[];
  private readonly into: Int32Array;
  private readonly back: Int32Array;

  /** @param shape [...spatial, channels] of the images */
  constructor(
    readonly shape: readonly number[],
    levels: number,
  ) {
    const spatial = shape.slice(0, -1);
    this.padded = paddedEdges(spatial, 2 ** levels);
    this.into = placesIn(this.padded, spatial);
    this.back = placesIn(spatial, this.padded);
  }

  /** Of the padded grid. */
  get voxels(): number {
    return this.into.length;
  }

  get channels(): number {
    return this.shape.at(-1)!;
  }

  /** [images, ...padded, channels + 2]: grey values, band and border. */
  input(images: readonly SeamedImage[]): Float32Array {
    const width = this.channels + 2;
    const out = new Float32Array(images.length * this.into.length * width);
    images.forEach(({ values, seam }, row) => {
      this.into.forEach((from, to) => {
        const at = (row * this.into.length + to) * width;
        for (let channel = 0; channel < this.channels; channel += 1)
          out[at + channel] = values[from * this.channels + channel]!;
        out[at + this.channels] = seam.band[from]!;
        out[at + this.channels + 1] = seam.border[from]!;
      });
    });
    return out;
  }

  /** [images, ...padded, channels] of float32 [...spatial, channels] each. */
  values(images: readonly Float32Array[]): Float32Array {
    const out = new Float32Array(images.length * this.into.length * this.channels);
    images.forEach((values, row) => {
      this.into.forEach((from, to) => {
        for (let channel = 0; channel < this.channels; channel += 1)
          out[(row * this.into.length + to) * this.channels + channel] =
            values[from * this.channels + channel]!;
      });
    });
    return out;
  }

  /** [images, ...padded, width] of float32 [...spatial, width] each; 0 beyond their edges. */
  inside(images: readonly Float32Array[]): Float32Array {
    const width = images[0]!.length / this.back.length;
    const out = new Float32Array(images.length * this.into.length * width);
    images.forEach((values, row) => {
      this.back.forEach((to, from) => {
        out.set(values.subarray(from * width, (from + 1) * width), (row * this.into.length + to) * width);
      });
    });
    return out;
  }

  /** Image number `row` of [images, ...padded, channels], cut back to its shape and clipped to [0, 1]. */
  image(batch: Float32Array, row: number): Float32Array {
    const out = new Float32Array(this.back.length * this.channels);
    this.back.forEach((from, to) => {
      for (let channel = 0; channel < this.channels; channel += 1) {
        const value = batch[(row * this.into.length + from) * this.channels + channel]!;
        out[to * this.channels + channel] = Math.min(1, Math.max(0, value));
      }
    });
    return out;
  }
}
