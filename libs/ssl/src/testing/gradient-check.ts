import { tf } from '@medformer/tensorflow';

/**
 * The largest difference between the gradient of `loss` by `x` and central differences, over every element of `x`, and
 * the largest element of the gradient, to judge it by.
 */
export function gradientError(
  loss: (x: tf.Tensor) => tf.Scalar,
  x: tf.Tensor,
  step = 1e-2,
): { worst: number; largest: number } {
  return tf.tidy(() => {
    const gradient = tf
      .grad((input: tf.Tensor) => loss(input))(x)
      .dataSync();
    const values = Float32Array.from(x.dataSync());
    const at = (index: number, move: number) =>
      tf.tidy(() => {
        const moved = values.slice();
        moved[index]! += move;
        return loss(tf.tensor(moved, x.shape)).dataSync()[0]!;
      });
    let [worst, largest] = [0, 0];
    for (let index = 0; index < values.length; index += 1) {
      const difference = (at(index, step) - at(index, -step)) / (2 * step);
      worst = Math.max(worst, Math.abs(difference - gradient[index]!));
      largest = Math.max(largest, Math.abs(gradient[index]!));
    }
    return { worst, largest };
  });
}

/** How many tensors are more than before after `compute` and disposing of what it returns. */
export function tensorsLeft(compute: () => tf.Tensor): number {
  compute().dispose();
  const before = tf.memory().numTensors;
  for (let call = 0; call < 20; call += 1) compute().dispose();
  return tf.memory().numTensors - before;
}
