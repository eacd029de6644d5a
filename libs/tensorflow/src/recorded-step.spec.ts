import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { nativeBackend } from './native-backend.js';
import { type RecordedStep, recordStep, type Step } from './recorded-step.js';
import { tf } from './tf.js';

beforeAll(async () => {
  await useBackend();
});

const recorded: RecordedStep[] = [];
afterEach(() => {
  for (const step of recorded.splice(0)) step.dispose();
  tf.disposeVariables();
});

function record(step: Step, inputs: tf.Tensor[], variables: tf.Variable[]): RecordedStep {
  const made = recordStep(step, inputs, variables);
  recorded.push(made);
  return made;
}

/** A two-layer perceptron on a fixed task, with Adam written with variables: the shape of every training step. */
function perceptron(seed: number) {
  const draw = (shape: number[], salt: number) => tf.randomNormal(shape, 0, 0.3, 'float32', seed + salt);
  const variable = (init: () => tf.Tensor) => tf.tidy(() => tf.variable(init()));
  const weights = [
    variable(() => draw([8, 16], 1)),
    variable(() => tf.zeros([16])),
    variable(() => draw([16, 3], 2)),
    variable(() => tf.zeros([3])),
  ];
  const slots = weights.flatMap(({ shape }) => [
    variable(() => tf.zeros(shape)),
    variable(() => tf.zeros(shape)),
  ]);
  const step: Step = ([images, labels, learningRate, time]) =>
    tf.tidy(() => {
      const [w1, b1, w2, b2] = weights as [tf.Variable, tf.Variable, tf.Variable, tf.Variable];
      const logits = () => images!.matMul(w1).add(b1).relu().matMul(w2).add(b2) as tf.Tensor2D;
      const { value, grads } = tf.variableGrads(
        () =>
          tf
            .neg(tf.mul(tf.oneHot(labels as tf.Tensor1D, 3), tf.logSoftmax(logits())))
            .sum(1)
            .mean(),
        weights,
      );
      weights.forEach((weight, index) => {
        const [m, v] = [slots[2 * index]!, slots[2 * index + 1]!];
        const gradient = grads[weight.name]!;
        m.assign(m.mul(0.9).add(gradient.mul(0.1)));
        v.assign(v.mul(0.999).add(gradient.square().mul(0.001)));
        const mean = m.div(tf.sub(1, tf.pow(0.9, time!)));
        const power = v.div(tf.sub(1, tf.pow(0.999, time!)));
        weight.assign(weight.sub(mean.mul(learningRate!).div(power.sqrt().add(1e-8))));
      });
      return [value, logits().argMax(1)];
    });
  return { weights, slots, variables: [...weights, ...slots], step };
}

function batch(size: number, seed: number): tf.Tensor[] {
  const images = tf.randomNormal([size, 8], 0, 1, 'float32', seed);
  return [
    images,
    tf.tidy(() => images.slice([0, 0], [size, 3]).argMax(1).toInt()),
    tf.scalar(0.01),
    tf.scalar(1),
  ];
}

function at(inputs: tf.Tensor[], time: number): tf.Tensor[] {
  return [...inputs.slice(0, 3), tf.scalar(time)];
}

const values = (tensors: tf.Tensor[]) => tensors.map((tensor) => [...tensor.dataSync()]);

function expectClose(found: number[][], expected: number[][], tolerance = 1e-5): void {
  expect(found.length).toBe(expected.length);
  found.forEach((row, index) => {
    const worst = Math.max(...row.map((value, place) => Math.abs(value - expected[index]![place]!)));
    expect(worst).toBeLessThanOrEqual(tolerance);
  });
}

describe('a recorded training step', () => {
  it('gives the losses and the weights of the eager step over 20 Adam steps', async () => {
    const eager = perceptron(7);
    const compiled = perceptron(7);
    const inputs = batch(32, 3);
    const step = record(compiled.step, at(inputs, 1), compiled.variables);
    const losses: number[][] = [];
    for (let time = 1; time <= 20; time++) {
      const now = at(inputs, time);
      const expected = eager.step(now);
      const found = await step.run(now);
      expectClose(values(found), values(expected));
      losses.push([found[0]!.dataSync()[0]!]);
    }
    expectClose(values(compiled.variables), values(eager.variables));
    expect(losses.at(-1)![0]).toBeLessThan(losses[0]![0]! * 0.9);
    expect(step.stats.outputs).toBe(2 + compiled.variables.length);
    expect(step.stats.ops).toBeGreaterThan(50);
  });

  it('changes no variable by recording', () => {
    const { step, variables } = perceptron(1);
    const before = values(variables);
    record(step, batch(4, 1), variables);
    expect(values(variables)).toEqual(before);
  });

  it('serves several batch sizes over the same variables, and the eager step between them', async () => {
    const eager = perceptron(5);
    const mixed = perceptron(5);
    const [large, small] = [batch(16, 1), batch(6, 2)];
    const onLarge = record(mixed.step, large, mixed.variables);
    const onSmall = record(mixed.step, small, mixed.variables);
    eager.step(at(large, 1));
    eager.step(at(small, 2));
    eager.step(at(large, 3));
    await onLarge.run(at(large, 1));
    await onSmall.run(at(small, 2));
    mixed.step(at(large, 3));
    expectClose(values(mixed.variables), values(eager.variables));
  });

  it('leaves no tensor behind over 200 runs', async () => {
    const { step, variables } = perceptron(2);
    const inputs = batch(8, 4);
    nativeBackend().getInputTensorIds([...variables, ...inputs]); // tfjs hands values over at their first use
    const before = [tf.memory().numTensors, nativeBackend().binding.getNumOfTensors()];
    const made = recordStep(step, inputs, variables);
    for (const tensor of await made.run(inputs)) tensor.dispose();
    const warm = [tf.memory().numTensors, nativeBackend().binding.getNumOfTensors()];
    for (let run = 0; run < 200; run++) {
      for (const tensor of await made.run(inputs)) tensor.dispose();
    }
    expect([tf.memory().numTensors, nativeBackend().binding.getNumOfTensors()]).toEqual(warm);
    made.dispose();
    expect([tf.memory().numTensors, nativeBackend().binding.getNumOfTensors()]).toEqual(before);
  });

  it('leaves the event loop free while it runs', async () => {
    const product = record(([x]) => [tf.tidy(() => chain(x!, 40))], [tf.ones([400, 400])], []);
    let ticks = 0;
    let running = true;
    const count = () => {
      ticks++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await product.run([tf.ones([400, 400])]);
    running = false;
    expect(ticks).toBeGreaterThan(10);
  });
});

const chain = (x: tf.Tensor, length: number): tf.Tensor =>
  length === 0 ? x : chain(x.matMul(x).mul(1 / 400), length - 1);

function accumulate(variable: tf.Variable): Step {
  return ([x]) => {
    variable.assign(variable.add(x!));
    return [];
  };
}

describe('what a step may return and assign', () => {
  it('returns an input, a variable and the same value twice', async () => {
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const step = record(
      ([x]) => {
        const sum = x!.add(variable);
        return [x!, variable, sum, sum, tf.scalar(4), variable.clone()];
      },
      [tf.tensor1d([0, 0])],
      [variable],
    );
    const found = await step.run([tf.tensor1d([5, 6])]);
    expect(values(found)).toEqual([[5, 6], [1, 2], [6, 8], [6, 8], [4], [1, 2]]);
  });

  it('assigns a variable several times, from another variable and from a constant', async () => {
    const [a, b, c] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(10)), tf.variable(tf.scalar(0))];
    const step: Step = ([x]) =>
      tf.tidy(() => {
        a.assign(a.add(x!));
        a.assign(a.mul(2) as tf.Scalar);
        b.assign(a);
        c.assign(tf.scalar(3));
        return [a.add(b)];
      });
    const made = record(step, [tf.scalar(0)], [a, b, c]);
    expect(values(await made.run([tf.scalar(2)]))).toEqual([[12]]);
    expect(values([a, b, c])).toEqual([[6], [6], [3]]);
    expect(values(await made.run([tf.scalar(1)]))).toEqual([[28]]);
    expect(values([a, b, c])).toEqual([[14], [14], [3]]);
  });

  it('keeps variables apart that shared their values, as after a copy of the weights', async () => {
    const online = tf.variable(tf.scalar(1));
    const target = tf.variable(tf.scalar(0));
    target.assign(online);
    const made = record(
      ([x]) => {
        online.assign(online.add(x!));
        target.assign(target.mul(0.5).add(online.mul(0.5)));
        return [];
      },
      [tf.scalar(0)],
      [online, target],
    );
    await made.run([tf.scalar(2)]);
    expect(values([online, target])).toEqual([[3], [2]]);
  });

  it('leaves a copy of a variable as it was', async () => {
    const variable = tf.variable(tf.scalar(1));
    const made = record(accumulate(variable), [tf.scalar(0)], [variable]);
    const copy = variable.clone();
    await made.run([tf.scalar(2)]);
    expect(values([copy, variable])).toEqual([[1], [3]]);
  });

  it('takes one tensor for two inputs without confusing them', async () => {
    const x = tf.scalar(1);
    const made = record(([a, b]) => [a!.sub(b!)], [x, x], []);
    expect(values(await made.run([tf.scalar(5), tf.scalar(3)]))).toEqual([[2]]);
  });

  it('carries int32, bool and constants of every kind', async () => {
    const table = tf.tensor1d([10, 20, 30, 40]);
    const upload = table.add(1);
    const step: Step = ([index, mask]) =>
      tf.tidy(() => {
        const picked = tf.gather(upload, index as tf.Tensor1D);
        const ramp = tf.range(0, 3, 1, 'int32').add(index!);
        const some = tf.where(mask!, picked, tf.fill([3], -7).add(tf.zeros([3])));
        return [some, ramp, tf.logicalNot(mask!), tf.ones([40, 2]).sum(), tf.fill([20], 1, 'bool').all()];
      });
    const inputs = [tf.tensor1d([3, 0, 1], 'int32'), tf.tensor1d([true, false, true], 'bool')];
    const made = record(
      step,
      [tf.tensor1d([0, 0, 0], 'int32'), tf.tensor1d([false, false, false], 'bool')],
      [],
    );
    const found = await made.run(inputs);
    expect(values(found)).toEqual(values(step(inputs)));
    expect(found.map((tensor) => tensor.dtype)).toEqual(['float32', 'int32', 'bool', 'float32', 'bool']);
  });

  it('runs convolutions, splits and their gradients', async () => {
    const filter = tf.variable(tf.randomNormal([3, 3, 3, 2, 4], 0, 1, 'float32', 1) as tf.Tensor5D);
    const step: Step = ([volumes]) =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(
          () =>
            tf
              .add(
                ...(tf.split(tf.conv3d(volumes as tf.Tensor5D, filter, 2, 'same'), 2, 4) as [
                  tf.Tensor,
                  tf.Tensor,
                ]),
              )
              .square()
              .mean(),
          [filter],
        );
        filter.assign(filter.sub(grads[filter.name]!.mul(0.1)));
        return [value];
      });
    const volumes = tf.randomNormal([2, 6, 6, 6, 2], 0, 1, 'float32', 2);
    const start = filter.clone();
    const made = record(step, [volumes], [filter]);
    const found = [...values(await made.run([volumes])), ...values([filter])];
    filter.assign(start);
    expectClose(found, [...values(step([volumes])), ...values([filter])]);
  });
});

describe('a step that cannot be one function', () => {
  const refusal = (step: Step, inputs: tf.Tensor[], variables: tf.Variable[] = []) => {
    const before = values(variables);
    let thrown: { code?: string; message: string } | undefined;
    try {
      record(step, inputs, variables);
    } catch (error) {
      thrown = error as { code: string; message: string };
    }
    expect(values(variables)).toEqual(before);
    expect(tf.tidy(() => tf.scalar(1).add(1).dataSync()[0])).toBe(2);
    return thrown;
  };

  it('is refused when it reads a tensor on the host, naming the last op', () => {
    const variable = tf.variable(tf.scalar(1));
    const step: Step = ([x]) => {
      variable.assign(variable.add(1));
      return [tf.scalar(x!.square().dataSync()[0]!)];
    };
    const thrown = refusal(step, [tf.scalar(3)], [variable]);
    expect(thrown).toMatchObject({
      code: 'UNIMPLEMENTED',
      message: expect.stringMatching(/on the host.*Square/),
    });
  });

  it('is refused when it draws random numbers itself', () => {
    const thrown = refusal(([x]) => [tf.dropout(x!, 0.5)], [tf.ones([32])]);
    expect(thrown).toMatchObject({ code: 'UNIMPLEMENTED', message: expect.stringContaining('at each call') });
  });

  it('is refused when it reads a variable that is not listed, naming it', () => {
    const variable = tf.variable(tf.scalar(1), true, 'forgotten');
    const thrown = refusal(([x]) => [x!.add(variable)], [tf.scalar(3)]);
    expect(thrown).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('forgotten') });
  });

  it('is refused when it makes a variable, as an optimiser does at its first step', () => {
    const variable = tf.variable(tf.scalar(1));
    const optimiser = tf.train.momentum(0.1, 0.9);
    const thrown = refusal(
      ([x]) => [optimiser.minimize(() => variable.mul(x!) as tf.Scalar, true, [variable])!],
      [tf.scalar(3)],
      [variable],
    );
    expect(thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('makes the variable'),
    });
  });
});

describe('a run that cannot be', () => {
  it('is refused for another shape or dtype, naming both', async () => {
    const made = record(([x]) => [x!.square()], [tf.zeros([2, 3])], []);
    await expect(made.run([tf.zeros([3, 2])])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'inputs of the recorded step: expected float32[2,3], found float32[3,2]',
    });
    await expect(made.run([tf.zeros([2, 3], 'int32')])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(made.run([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('changes no variable when TensorFlow fails midway, and can run again', async () => {
    const variable = tf.variable(tf.scalar(1));
    const table = tf.tensor1d([1, 2, 3]);
    const step: Step = ([index]) =>
      tf.tidy(() => {
        variable.assign(variable.add(tf.gather(table, index as tf.Tensor1D).sum()));
        return [];
      });
    const made = record(step, [tf.tensor1d([0], 'int32')], [variable]);
    await expect(made.run([tf.tensor1d([9], 'int32')])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('9 is not in [0, 3)'),
    });
    expect(values([variable])).toEqual([[1]]);
    await made.run([tf.tensor1d([2], 'int32')]);
    expect(values([variable])).toEqual([[4]]);
  });

  it('is refused while another over the same variables is under way', async () => {
    const variable = tf.variable(tf.scalar(1));
    const step = accumulate(variable);
    const [first, second] = [
      record(step, [tf.scalar(0)], [variable]),
      record(step, [tf.scalar(0)], [variable]),
    ];
    const running = first.run([tf.scalar(1)]);
    await expect(second.run([tf.scalar(1)])).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await running;
    await second.run([tf.scalar(1)]);
    expect(values([variable])).toEqual([[3]]);
  });

  it('is refused once the step is disposed of', async () => {
    const made = recordStep(([x]) => [x!.square()], [tf.scalar(1)], []);
    made.dispose();
    made.dispose();
    await expect(made.run([tf.scalar(1)])).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
