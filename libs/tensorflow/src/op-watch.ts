import { type NativeBackend, type NativeBinding, nativeBackend, type OpAttribute } from './native-backend.js';
import { BFLOAT16 } from './products.js';
import type { tf } from './tf.js';

/** An op that gave values that are not finite, from inputs that were. */
export interface NonFiniteOp {
  /** TensorFlow's name of the op, e.g. `MatMul`. */
  op: string;
  /** Position among the ops of the run, from 0. */
  index: number;
  inputs: number[][];
  output: number[];
  /** The last labelled tensor that was read up to this op. */
  near: string | undefined;
}

/**
 * Follows code op by op, reading every floating-point result on the host: for finding out, never for training. Labels name
 * tensors, so that the place of an op in the code can be told.
 */
export class OpWatch {
  /** The first op whose result is not finite. */
  found: NonFiniteOp | undefined;
  private readonly labels = new Map<number, string>();
  private readonly read: string[] = [];
  private readonly shapes = new Map<number, number[]>();
  private readonly dtypes = new Map<number, number>();
  private near: string | undefined;
  private paused = false;
  private ops = 0;

  private constructor(
    private readonly backend: NativeBackend,
    private readonly real: NativeBinding,
  ) {}

  /** Runs `code` with a watch on every op. @throws MedformerError FAILED_PRECONDITION without the native backend */
  static run<T>(code: (watch: OpWatch) => T): { result: T; watch: OpWatch } {
    const backend = nativeBackend();
    const real = backend.binding;
    const watch = new OpWatch(backend, real);
    backend.binding = watch.binding();
    try {
      return { result: code(watch), watch };
    } finally {
      backend.binding = real;
    }
  }

  label(name: string, tensor: tf.Tensor): void {
    const [id] = this.backend.getInputTensorIds([tensor]);
    this.labels.set(id!, name);
    this.shapes.set(id!, tensor.shape);
  }

  /** Labels in the order in which their tensors were first read. */
  get order(): readonly string[] {
    return this.read;
  }

  /** Ops so far. */
  get count(): number {
    return this.ops;
  }

  /** Runs code whose ops are not watched. */
  aside<T>(code: () => T): T {
    this.paused = true;
    try {
      return code();
    } finally {
      this.paused = false;
    }
  }

  private binding(): NativeBinding {
    const { real } = this;
    return Object.create(real, {
      executeOp: {
        value: (op: string, attributes: OpAttribute[], inputs: number[], outputs: number) => {
          const made = real.executeOp(op, attributes, inputs, outputs);
          if (this.paused) return made;
          for (const id of inputs) this.notice(id);
          for (const { id, shape, dtype } of made) {
            this.shapes.set(id, shape);
            this.dtypes.set(id, dtype);
            const finite = (tensor: number) => allFinite(this.values(tensor));
            if (this.found || !this.isFloat(dtype) || finite(id) || !inputs.every(finite)) continue;
            const { near, ops: index } = this;
            const given = inputs.map((input) => this.shapes.get(input) ?? []);
            this.found = { op, index, inputs: given, output: shape, near };
          }
          this.ops += 1;
          return made;
        },
      },
    }) as NativeBinding;
  }

  private isFloat(dtype: number | undefined): boolean {
    return dtype === this.real.TF_FLOAT || dtype === BFLOAT16;
  }

  /** The binding reads no bfloat16. */
  private values(id: number): ArrayLike<number | bigint> {
    const { real } = this;
    if (this.dtypes.get(id) !== BFLOAT16) return real.tensorDataSync(id);
    const as = (name: string, value: number) => ({ name, type: real.TF_ATTR_TYPE, value });
    const cast = [as('SrcT', BFLOAT16), as('DstT', real.TF_FLOAT)];
    const [wide] = real.executeOp('Cast', cast, [id], 1);
    const values = real.tensorDataSync(wide!.id);
    real.deleteTensor(wide!.id);
    return values;
  }

  private notice(id: number): void {
    const name = this.labels.get(id);
    if (name === undefined) return;
    this.near = name;
    if (!this.read.includes(name)) this.read.push(name);
  }
}

function allFinite(values: ArrayLike<number | bigint>): boolean {
  for (let at = 0; at < values.length; at += 1) if (!Number.isFinite(Number(values[at]))) return false;
  return true;
}
