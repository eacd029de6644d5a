/** 64-bit hashes as two 32-bit words each. */
export type Hashes = Uint32Array;

export interface CloseHashes {
  first: number;
  second: number;
  distance: number;
  /** Which of the hashes of `first` is that close. */
  variant: number;
}

/**
 * All pairs of images of which some hash of the first lies within `maxDistance` bits of the unshifted hash of the
 * second, by the closest variant.
 *
 * Multi-index hashing (Norouzi, Punjani, Fleet 2012): hashes that differ in at most d bits agree up to one bit in one of
 * floor(d / 2) + 1 bands, so only what lies under a band's value or under one that differs in a bit is looked at.
 * @param hashes `[images, variants]`, unshifted first
 * @param onTurn called every so many images: to yield and to see a cancellation
 */
export async function* closeHashes(
  hashes: Hashes,
  variants: number,
  maxDistance: number,
  onTurn: () => Promise<void> | void = () => {},
): AsyncGenerator<CloseHashes> {
  const images = hashes.length / (2 * variants);
  const index = new HashIndex(hashes, variants, maxDistance);
  for (let image = 0; image < images; image += 1) {
    if (image % IMAGES_PER_TURN === 0) await onTurn();
    // Not `for await`: a turn of the event loop per pair would be most of the time.
    yield* index.laterThan(image);
  }
}

/** The unshifted hashes by the values of their bands. */
class HashIndex {
  private readonly low: Uint32Array;
  private readonly high: Uint32Array;
  private readonly bands: (Band & Buckets)[];
  /** Distance and variant of what lies close to the image that is looked for; `NONE` where nothing does. */
  private readonly best: Uint8Array;
  private readonly variant: Uint8Array;
  private readonly touched: number[] = [];

  constructor(
    private readonly hashes: Hashes,
    private readonly variants: number,
    private readonly maxDistance: number,
  ) {
    const images = hashes.length / (2 * variants);
    this.low = Uint32Array.from({ length: images }, (_, image) => hashes[2 * image * variants]!);
    this.high = Uint32Array.from({ length: images }, (_, image) => hashes[2 * image * variants + 1]!);
    this.bands = bandsOf(Math.floor(maxDistance / 2) + 1).map((band) => ({
      ...band,
      ...bucketsOf(this.low, this.high, band),
    }));
    this.best = new Uint8Array(images).fill(NONE);
    this.variant = new Uint8Array(images);
  }

  laterThan(image: number): CloseHashes[] {
    for (let variant = 0; variant < this.variants; variant += 1) {
      const at = 2 * (image * this.variants + variant);
      for (const band of this.bands)
        this.lookIn(band, image, variant, this.hashes[at]!, this.hashes[at + 1]!);
    }
    const close = this.touched.map((second) => ({
      first: image,
      second,
      distance: this.best[second]!,
      variant: this.variant[second]!,
    }));
    for (const second of this.touched) this.best[second] = NONE;
    this.touched.length = 0;
    return close;
  }

  private lookIn(band: Band & Buckets, image: number, variant: number, low: number, high: number): void {
    const { width, starts, members } = band;
    const value = bandValue(low, high, band);
    for (let flipped = -1; flipped < width; flipped += 1) {
      const bucket = flipped < 0 ? value : value ^ (1 << flipped);
      const begin = starts[bucket]!;
      for (let at = starts[bucket + 1]! - 1; at >= begin; at -= 1) {
        const other = members[at]!;
        // A bucket's images ascend: none before this one is later than `image`.
        if (other <= image) break;
        const distance = bitCount(low ^ this.low[other]!) + bitCount(high ^ this.high[other]!);
        if (distance > this.maxDistance || distance >= this.best[other]!) continue;
        if (this.best[other] === NONE) this.touched.push(other);
        this.best[other] = distance;
        this.variant[other] = variant;
      }
    }
  }
}

const NONE = 255;
const IMAGES_PER_TURN = 1024;

interface Band {
  begin: number;
  width: number;
}

function bandsOf(count: number): Band[] {
  return Array.from({ length: count }, (_, band) => {
    const begin = Math.floor((64 * band) / count);
    return { begin, width: Math.floor((64 * (band + 1)) / count) - begin };
  });
}

function bandValue(low: number, high: number, { begin, width }: Band): number {
  const mask = 2 ** width - 1;
  if (begin >= 32) return (high >>> (begin - 32)) & mask;
  if (begin + width <= 32) return (low >>> begin) & mask;
  return ((low >>> begin) | (high << (32 - begin))) & mask;
}

/** Images by the value of a band: those of value v are `members[starts[v] .. starts[v + 1]]`, ascending. */
interface Buckets {
  starts: Uint32Array;
  members: Uint32Array;
}

function bucketsOf(low: Uint32Array, high: Uint32Array, band: Band): Buckets {
  const values = 2 ** band.width;
  const starts = new Uint32Array(values + 1);
  const valueAt = (image: number) => bandValue(low[image]!, high[image]!, band);
  for (let image = 0; image < low.length; image += 1) starts[valueAt(image) + 1]! += 1;
  for (let value = 0; value < values; value += 1) starts[value + 1]! += starts[value]!;
  const next = starts.slice();
  const members = new Uint32Array(low.length);
  for (let image = 0; image < low.length; image += 1) members[next[valueAt(image)]!++] = image;
  return { starts, members };
}

function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
