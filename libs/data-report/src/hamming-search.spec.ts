import { Rng } from '@medformer/schema';
import { describe, expect, it } from 'vitest';
import { type CloseHashes, closeHashes } from './hamming-search.js';

describe('closeHashes', () => {
  it('finds what comparing every pair finds, by the closest variant', async () => {
    const variants = 3;
    const hashes = randomHashes(400, variants);
    for (let image = 1; image < 400; image += 4)
      copyWithFlips(hashes, variants, image - 1, image, image % 12);
    const found = await all(closeHashes(hashes, variants, 8));
    const expected = everyPair(hashes, variants, 8);

    expect(expected.length).toBeGreaterThan(50);
    expect(found.sort(byPair)).toEqual(expected.sort(byPair));
  });

  it('finds the planted ones among 100,000 images without comparing every pair', async () => {
    const hashes = randomHashes(100_000, 1);
    for (let image = 500; image < 100_000; image += 1000) copyWithFlips(hashes, 1, image - 500, image, 8);
    const started = process.cpuUsage();
    const found = await all(closeHashes(hashes, 1, 8));

    for (let image = 500; image < 100_000; image += 1000)
      expect(found).toContainEqual({ first: image - 500, second: image, distance: 8, variant: 0 });
    // Every pair would be 5e9 comparisons, a minute at the least; of processor time, for the machine may be busy.
    expect(process.cpuUsage(started).user).toBeLessThan(20e6);
  });

  it('yields to its caller while it works', async () => {
    let turns = 0;
    const turn = () => {
      turns += 1;
    };
    await all(closeHashes(randomHashes(5000, 1), 1, 8, turn));
    expect(turns).toBeGreaterThan(3);
  });
});

function randomHashes(images: number, variants: number): Uint32Array {
  const rng = Rng.of(3, 'hashes');
  return Uint32Array.from({ length: images * variants * 2 }, () => rng.uniform(0, 2 ** 32));
}

/** Makes the unshifted hash of `to` the last variant of `from` with so many bits changed. */
function copyWithFlips(hashes: Uint32Array, variants: number, from: number, to: number, flips: number): void {
  const words = hashes.slice(2 * ((from + 1) * variants - 1), 2 * (from + 1) * variants);
  for (let flip = 0; flip < flips; flip += 1) {
    const bit = (flip * 7) % 64;
    words[bit >> 5]! ^= 1 << (bit & 31);
  }
  hashes.set(words, 2 * to * variants);
}

function everyPair(hashes: Uint32Array, variants: number, maxDistance: number): CloseHashes[] {
  const pairs: CloseHashes[] = [];
  const images = hashes.length / (2 * variants);
  const bits = (word: number) => (word >>> 0).toString(2).replaceAll('0', '').length;
  for (let first = 0; first < images; first += 1) {
    for (let second = first + 1; second < images; second += 1) {
      const best = { first, second, distance: 65, variant: 0 };
      for (let variant = 0; variant < variants; variant += 1) {
        const [x, y] = [2 * (first * variants + variant), 2 * second * variants];
        const distance = bits(hashes[x]! ^ hashes[y]!) + bits(hashes[x + 1]! ^ hashes[y + 1]!);
        if (distance < best.distance) Object.assign(best, { distance, variant });
      }
      if (best.distance <= maxDistance) pairs.push(best);
    }
  }
  return pairs;
}

async function all(pairs: AsyncIterable<CloseHashes>): Promise<CloseHashes[]> {
  const found: CloseHashes[] = [];
  for await (const pair of pairs) found.push(pair);
  return found;
}

function byPair(x: CloseHashes, y: CloseHashes): number {
  return x.first - y.first || x.second - y.second;
}
