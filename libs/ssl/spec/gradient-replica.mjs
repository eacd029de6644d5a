/**
 * One process that computes its share of a loss: node gradient-replica.mjs RANK ADDRESS... Prints, for each loss, how far the
 * gradient that training would use is from finite differences of the loss of the whole batch.
 */
import { Rng } from '@medformer/schema';
import { joinGroup, tf, useBackend } from '@medformer/tensorflow';
import { BatchShare } from '../dist/batch-share.js';
import { barlowTwins } from '../dist/losses/barlow-twins.js';
import { ntXent } from '../dist/losses/nt-xent.js';

const [IMAGES, FEATURES, WIDTH, STEP] = [10, 5, 4, 3e-3];
const LOSSES = {
  'nt-xent': (z, share) => ntXent(z, 0.5, 'mean', share),
  'nt-xent of a sum': (z, share) => ntXent(z, 0.5, 'sum', share),
  'barlow twins': (z, share) => barlowTwins(z, 0.2, 'batch', share),
  'barlow twins by the sample deviation': (z, share) => barlowTwins(z, 0.2, 'sample', share),
};

const [rank, ...addresses] = process.argv.slice(2);
await useBackend({ threads: 1, share: 'graph' });
const limits = { joinTimeoutMs: 120_000, peerTimeoutMs: 120_000 };
const group = await joinGroup({ rank: Number(rank), addresses, ...limits });
const share = BatchShare.of(group, IMAGES, 0);
const features = random('features', 2 * IMAGES, FEATURES);
// The whole batch's rows, of which this process sees its own.
const own = tf.gather(features, tf.tensor1d(share.places(2 * share.range(0, IMAGES).count), 'int32'));
// What every process has: as the network's weights.
const weights = random('weights', FEATURES, WIDTH);

for (const [name, loss] of Object.entries(LOSSES)) {
  const shareOf = (w) => {
    group.restart();
    return loss(tf.matMul(own, w), share);
  };
  const whole = (values) => group.mean(shareOf(tf.tensor(values, weights.shape))).dataSync()[0];
  const gradient = group.mean(tf.grad(shareOf)(weights)).dataSync();
  let [worst, largest] = [0, 0];
  const at = weights.dataSync();
  for (let index = 0; index < at.length; index += 1) {
    const moved = (step) => whole(at.map((value, place) => (place === index ? value + step : value)));
    const difference = (moved(STEP) - moved(-STEP)) / (2 * STEP);
    worst = Math.max(worst, Math.abs(difference - gradient[index]));
    largest = Math.max(largest, Math.abs(gradient[index]));
  }
  process.stdout.write(`${JSON.stringify({ name, loss: whole(at), worst, largest })}\n`);
}
await group.leave();
process.exit(0);

function random(name, rows, columns) {
  const rng = Rng.of('gradient-replica', name);
  return tf.tensor2d(
    Float32Array.from({ length: rows * columns }, () => rng.normal()),
    [rows, columns],
  );
}
