import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { type ForwardGraph, recordForward } from './forward-graph.js';
import { encodeGraphDef } from './graph-def.js';
import { nativeBackend } from './native-backend.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

describe('a forward graph', () => {
  it('computes what the code computed, on other inputs too', () => {
    const weight = tf.randomNormal([3, 2], 0, 1, 'float32', 1);
    const compute = ([x]: tf.Tensor[]) => [tf.softmax(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D))];
    const graph = recordForward(compute, [tf.ones([4, 3])]);
    const x = tf.randomNormal([4, 3], 0, 1, 'float32', 2);

    const expected = compute([x])[0]!.dataSync();

    // TensorFlow optimises a function as a whole: the last bit may differ.
    const difference = run(graph, x).map((value, index) => Math.abs(value - expected[index]!));
    expect(Math.max(...difference)).toBeLessThan(1e-6);
  });

  it('holds only what leads from the inputs to the outputs: the rest came to constants', () => {
    const weight = tf.variable(tf.ones([3]));
    const graph = recordForward(
      ([x]) => {
        tf.exp(x!);
        return [tf.add(x!, tf.square(tf.mul(weight, 2)))];
      },
      [tf.zeros([3])],
    );

    expect(graph.nodes.map(({ op }) => op)).toEqual(['Placeholder', 'Const', 'Add']);
    expect(run(graph, tf.tensor([0, 1, 2]))).toEqual([4, 5, 6]);
    expect(graph.tensors.get(graph.outputs[0]!)).toEqual({ dtype: 1, shape: [3] });
    weight.dispose();
  });

  it('gives what does not depend on the inputs as a constant', () => {
    const graph = recordForward(() => [tf.add(tf.scalar(1), 1)], [tf.zeros([1])]);
    expect(run(graph, tf.zeros([1]))).toEqual([2]);
  });

  it('keeps no tensor', () => {
    const x = tf.zeros([2]);
    const before = tf.memory().numTensors;
    recordForward(([given]) => [tf.add(given!, 1)], [x]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is refused for code that reads a tensor on the host', () => {
    const reading = ([x]: tf.Tensor[]) => [tf.scalar(x!.dataSync()[0]!)];
    expect(() => recordForward(reading, [tf.add(tf.zeros([1]), 1)])).toThrow(
      expect.objectContaining({ code: 'UNIMPLEMENTED' }),
    );
  });
});

/** The first output, by TensorFlow itself. */
function run({ nodes, inputs, outputs }: ForwardGraph, x: tf.Tensor): number[] {
  const backend = nativeBackend();
  backend.binding.addGraphFunction('forward', encodeGraphDef(nodes), inputs, outputs);
  try {
    const made = backend.binding.executeOp('forward', [], backend.getInputTensorIds([x]), outputs.length);
    return [...backend.binding.tensorDataSync(made[0]!.id)].map(Number);
  } finally {
    backend.binding.removeGraphFunction('forward');
  }
}
