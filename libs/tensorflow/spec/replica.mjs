/** One process of a group: node replica.mjs CASE RANK ADDRESS... Prints JSON lines. */
import { ALONE, isPeerLost, joinGroup, recordStep, tf, useBackend } from '../dist/index.js';

const [name, rank, ...addresses] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
await useBackend({ threads: 1, share: 'graph' });

const cases = {
  async sums(group) {
    const own = tf.tensor2d([[1, 2, 3].map((value) => value * 10 ** group.rank)]);
    say({
      sum: [...group.sum(own).dataSync()],
      mean: [...group.mean(own).dataSync()],
      scalar: group.sum(tf.scalar(group.rank + 1)).dataSync()[0],
      first: [...(await group.fromFirst(Float64Array.of(Math.PI * (group.rank + 1), -1e-300, Number.NaN)))],
    });
  },
  /** Loss: mean over ranks of (rank + 1) (sum of s)^2 with s the sum over ranks of x. */
  async gradients(group) {
    const x = tf.tensor1d([0.5, -0.25, group.rank]);
    const share = (gradient) => (values) => {
      const all = group.sum(values, gradient);
      const weight = gradient === 'alike' ? 1 : group.rank + 1;
      return tf.mul(tf.square(tf.sum(all)), weight);
    };
    say({
      summed: [...tf.grad(share('summed'))(x).dataSync()],
      alike: [...tf.grad(share('alike'))(x).dataSync()],
    });
  },
  /** A step with three collectives in it; the weights after it. */
  async recorded(group) {
    const { steps, weights } = await trained(group);
    say({ steps, weights });
  },
  async endless(group) {
    const variable = tf.variable(tf.ones([1000]));
    const compute = ([x]) => {
      group.restart();
      variable.assign(tf.add(variable, group.mean(x)));
      return [tf.sum(variable)];
    };
    // Recording computes, too.
    const step = await group.together(async () => recordStep(compute, [tf.ones([1000])], [variable]));
    say({ ready: true });
    for (;;) {
      const [result] = await group.together(() => step.run([tf.ones([1000])]));
      result.dispose();
    }
  },
  async endlessEager(group) {
    say({ ready: true });
    for (;;) {
      await group.together(async () => {
        group.restart();
        tf.tidy(() => void group.mean(tf.ones([1000])));
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
};

async function trained(group) {
  const all = tf.tensor2d(
    Array.from({ length: 8 }, (_, at) => [Math.sin(at), Math.cos(at)]),
    [8, 2],
  );
  const rows = 8 / group.size;
  const own = tf.slice(all, [group.rank * rows, 0], [rows, 2]);
  const weights = tf.variable(tf.tensor2d([[0.3], [-0.2]]));
  const step = recordStep(
    ([x]) => {
      group.restart();
      const { value, grads } = tf.variableGrads(() => {
        // Needs the batch's mean: a statistic of all rows.
        const mean = tf.div(group.sum(tf.sum(x, 0, true)), 8);
        const made = tf.matMul(tf.sub(x, mean), weights);
        return tf.div(tf.mul(tf.sum(tf.square(tf.sub(made, 1))), group.size), 8);
      }, [weights]);
      const reduced = group.mean(tf.concat([tf.reshape(value, [1]), tf.reshape(grads[weights.name], [2])]));
      weights.assign(tf.sub(weights, tf.mul(tf.reshape(tf.slice(reduced, [1], [2]), [2, 1]), 0.1)));
      return [tf.slice(reduced, [0], [1])];
    },
    [own],
    [weights],
  );
  const steps = [];
  for (let at = 0; at < 5; at += 1) {
    const [loss] = await group.together(() => step.run([own]));
    steps.push(loss.dataSync()[0]);
  }
  return { steps, weights: [...weights.dataSync()] };
}

const limits = { joinTimeoutMs: 60_000, peerTimeoutMs: Number(process.env.PEER_TIMEOUT_MS ?? 60_000) };
try {
  const group =
    addresses.length > 1
      ? await joinGroup({ rank: Number(rank), addresses, ...limits })
      : { ...ALONE, leave: async () => undefined };
  await cases[name](group);
  await group.leave();
  process.exit(0);
} catch (error) {
  say({ code: error.code, message: error.message, peerLost: isPeerLost(error) });
  process.exit(isPeerLost(error) ? 75 : 1);
}
