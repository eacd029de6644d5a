import { type NonFiniteOp, OpWatch, tf } from '@medformer/tensorflow';
import { batchGradient, type StepContext, type StepInputs, type TrainVectors } from '../train-step.js';

/** What a step computes, looked at op by op. */
export interface ExaminedStep {
  loss: number;
  /** Parts of the loss, where it has any. */
  terms: Record<string, number>;
  /** Before clipping. */
  gradientNorm: number;
  /** The first input that is not finite. */
  input?: string;
  /** The first parameter, by name, that is not finite before the step. */
  parameter?: string;
  /** The first op that gives what is not finite, from finite inputs. */
  op?: NonFiniteOp & { pass: 'forward' | 'backward' };
  /** The first gradient that the backward pass reaches and that is not finite, and how many are not. */
  gradient?: { parameter: string; count: number; of: number };
}

/**
 * Computes a step's loss and gradient op by op and says where the first value comes from that is not finite. Changes
 * nothing. Terms and loss are means over the parts, as in the step.
 */
export function examineStep(
  context: StepContext,
  vectors: TrainVectors,
  parts: readonly StepInputs[],
): ExaminedStep {
  const { layout } = context;
  const weights = layout.toStored(vectors.parameters);
  const parameter = [...weights].find(([, { data }]) => !allFinite(data))?.[0];
  const input = parts.map(nonFiniteInput).find((name) => name !== undefined);
  const gradient = new Float64Array(layout.sizes.reduce((sum, size) => sum + size, 0));
  const examined: ExaminedStep = { loss: 0, terms: {}, gradientNorm: 0 };
  let order: readonly string[] = [];
  for (const inputs of parts) {
    const part = examinePart(context, vectors, inputs);
    examined.loss += part.loss / parts.length;
    for (const [name, value] of Object.entries(part.terms))
      examined.terms[name] = (examined.terms[name] ?? 0) + value / parts.length;
    for (const [at, value] of part.gradient.entries()) gradient[at]! += value / parts.length;
    if (part.op && !examined.op) examined.op = part.op;
    order = part.order;
  }
  examined.gradientNorm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
  if (input !== undefined) examined.input = input;
  if (parameter !== undefined) examined.parameter = parameter;
  if (input !== undefined || parameter !== undefined) delete examined.op;
  let at = 0;
  const wrong = layout.names.filter((_, index) => {
    const own = gradient.subarray(at, at + layout.sizes[index]!);
    at += own.length;
    return !allFinite(own);
  });
  // The backward pass meets the parameters in the opposite order.
  const first = [...order].reverse().find((name) => wrong.includes(name)) ?? wrong[0];
  if (first !== undefined)
    examined.gradient = { parameter: first, count: wrong.length, of: layout.names.length };
  return examined;
}

interface ExaminedPart {
  loss: number;
  terms: Record<string, number>;
  gradient: Float32Array;
  /** Parameters as the forward pass reads them. */
  order: readonly string[];
  op: ExaminedStep['op'] | undefined;
}

function examinePart(context: StepContext, vectors: TrainVectors, inputs: StepInputs): ExaminedPart {
  let forward = 0;
  let order: readonly string[] = [];
  let terms: Record<string, number> = {};
  const { result, watch } = OpWatch.run((watch) => {
    tf.engine().startScope();
    try {
      const { gradient, results } = batchGradient(context, vectors, inputs, {
        parameters(named) {
          for (const [name, tensor] of named) watch.label(name, tensor);
        },
        loss(made) {
          forward = watch.count;
          order = [...watch.order];
          terms = watch.aside(() => numbersOf(made.terms?.() ?? {}));
        },
      });
      return { gradient: gradient.dataSync() as Float32Array, loss: numberOf(results.loss) };
    } finally {
      tf.engine().endScope();
    }
  });
  const { found } = watch;
  const pass = found && found.index < forward ? 'forward' : 'backward';
  return { ...result, terms, order, op: found && { ...found, pass } };
}

function nonFiniteInput({ x, drawn }: StepInputs): string | undefined {
  const given: [string, tf.Tensor][] = [['x', x], ...Object.entries(drawn)];
  return given.find(([, tensor]) => !allFinite(tensor.dataSync()))?.[0];
}

const numberOf = (tensor: tf.Tensor) => tensor.dataSync()[0]!;

function numbersOf(terms: Record<string, tf.Tensor>): Record<string, number> {
  return Object.fromEntries(Object.entries(terms).map(([name, tensor]) => [name, numberOf(tensor)]));
}

function allFinite(values: ArrayLike<number>): boolean {
  for (let at = 0; at < values.length; at += 1) if (!Number.isFinite(values[at])) return false;
  return true;
}
