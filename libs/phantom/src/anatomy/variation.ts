import type { Rng } from '@medformer/schema';
import type { Vector } from '../shape.js';

/** How one patient differs from the textbook: sizes vary by a few per cent, places by a few millimetres. */
export class Variation {
  constructor(
    private readonly rng: Rng,
    private readonly relativeSize = 0.06,
    private readonly placeMm = 3,
  ) {}

  size(mm: number): number {
    return mm * (1 + this.relativeSize * this.clipped());
  }

  sizes(x: number, y: number, z: number): Vector {
    return [this.size(x), this.size(y), this.size(z)];
  }

  place(x: number, y: number, z: number): Vector {
    return [
      x + this.placeMm * this.clipped(),
      y + this.placeMm * this.clipped(),
      z + this.placeMm * this.clipped(),
    ];
  }

  angle(degrees: number, spread = 5): number {
    return degrees + spread * this.clipped();
  }

  chance(probability: number): boolean {
    return this.rng.chance(probability);
  }

  uniform(low: number, high: number): number {
    return this.rng.uniform(low, high);
  }

  /** Gaussian without its tails: no patient with an organ outside the body. */
  private clipped(): number {
    return Math.min(2, Math.max(-2, this.rng.normal()));
  }
}
