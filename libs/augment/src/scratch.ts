type Numbers = Float32Array | Int32Array;

/** An array that is used again by each call: fresh memory costs more than the little work that is done in it. */
export class Scratch<A extends Numbers> {
  private kept: A;

  constructor(private readonly kind: new (length: number) => A) {
    this.kept = new kind(0);
  }

  /** This many elements of any value, the caller's until the next call. */
  of(length: number): A {
    if (this.kept.length < length) this.kept = new this.kind(length);
    return this.kept.subarray(0, length) as A;
  }
}
