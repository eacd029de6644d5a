import { createHash } from 'node:crypto';

/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey's small fast counter, PractRand), keyed by name.
 *
 * A generator is made from a path of names and numbers, `Rng.of(seed, 'views', step, item)`, never from a
 * shared stream: what one consumer draws cannot shift what another sees, and a resumed run needs no saved state.
 */
export class Rng {
  private spareNormal: number | undefined;

  private constructor(
    private a: number,
    private b: number,
    private c: number,
    private counter: number,
  ) {}

  /** The generator that belongs to this key. Equal keys give equal sequences on every machine. */
  static of(...key: (string | number)[]): Rng {
    const digest = createHash('sha256').update(JSON.stringify(key)).digest();
    return new Rng(digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), 1);
  }

  /** 32 random bits, 0 to 2^32 - 1. */
  uint32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum;
    this.c |= 0;
    return sum >>> 0;
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    const fraction = ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
    return low + (high - low) * fraction;
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Gaussian with the given mean and standard deviation (Marsaglia's polar method). */
  normal(mean = 0, standardDeviation = 1): number {
    if (this.spareNormal !== undefined) {
      const spare = this.spareNormal;
      this.spareNormal = undefined;
      return mean + standardDeviation * spare;
    }
    for (;;) {
      const u = this.uniform(-1, 1);
      const v = this.uniform(-1, 1);
      const s = u * u + v * v;
      if (s > 0 && s < 1) {
        const scale = Math.sqrt((-2 * Math.log(s)) / s);
        this.spareNormal = v * scale;
        return mean + standardDeviation * u * scale;
      }
    }
  }

  /** Poisson counts: Knuth's product below a mean of 30, a rounded Gaussian above. */
  poisson(mean: number): number {
    if (mean <= 0) return 0;
    if (mean > 30) return Math.max(0, Math.round(this.normal(mean, Math.sqrt(mean))));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.uniform(); product > limit; product *= this.uniform()) count += 1;
    return count;
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** One element, each equally likely. */
  choice<T>(options: readonly T[]): T {
    if (options.length === 0) throw new RangeError('choice of an empty list');
    return options[this.integer(options.length)] as T;
  }

  /** The numbers 0 to length - 1 in random order (Fisher-Yates). */
  permutation(length: number): Int32Array {
    const order = Int32Array.from({ length }, (_, index) => index);
    for (let last = length - 1; last > 0; last -= 1) {
      const other = this.integer(last + 1);
      const kept = order[last] as number;
      order[last] = order[other] as number;
      order[other] = kept;
    }
    return order;
  }
}
