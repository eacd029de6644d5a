import { MedformerError } from '@medformer/schema';
import { ALL_REDUCE } from './collectives/all-reduce.js';
import type { AttrValue, GraphNode, TensorValue } from './graph-def.js';
import type { NativeBackend, NativeBinding, OpAttribute, TensorMetadata } from './native-backend.js';

/** What one run of some tensor code executed, as a graph. */
export interface Trace {
  nodes: GraphNode[];
  /** Names of the argument nodes, in the order they were declared; then of the captured tensors. */
  arguments: string[];
  /** Native ids of tensors from outside that are neither declared nor host constants. */
  captured: number[];
  /** `node:0` of each requested output; none is an argument, none appears twice. */
  outputs: string[];
  /** What every `node:output` above holds. */
  tensors: ReadonlyMap<string, { dtype: number; shape: readonly number[] }>;
  ops: number;
  constants: number;
}

/** A tensor whose value differs from call to call. */
export interface TraceArgument {
  id: number;
  dtype: number;
  shape: readonly number[];
}

/** Host values handed to TensorFlow, by the native id they got. Shared by traces of the same step. */
export type HostConstants = Map<number, { dtype: number; shape: number[]; values: ArrayLike<number> }>;

export interface TraceOptions {
  arguments: readonly TraceArgument[];
  constants: HostConstants;
  /** Native ids that must not be read, with the reason; e.g. variables the caller forgot to declare. */
  forbidden: ReadonlyMap<number, string>;
  /** Write what does not depend on the arguments, tensors from outside included, as the constants it came to. */
  fold?: boolean;
  /** Runs the code and gives the native ids of its outputs. */
  run: () => number[];
}

/**
 * Executes `run` with a recorder in place of the backend's binding, so that every op really runs and is written down.
 *
 * @throws MedformerError UNIMPLEMENTED when the code reads a tensor on the host, since the value would be frozen in
 */
export function trace(backend: NativeBackend, options: TraceOptions): Trace {
  const recorder = new Recorder(backend.binding, options);
  const real = backend.binding;
  backend.binding = recorder.binding();
  try {
    return recorder.finish(options.run());
  } finally {
    backend.binding = real;
  }
}

/** Above this a constant of one value is written as Fill, so that zeros do not swell the graph. */
const FILL_ABOVE = 16;

class Recorder {
  private readonly nodes: GraphNode[] = [];
  private readonly argumentNames: string[] = [];
  private readonly captured: number[] = [];
  /** Native id to `node:output`. */
  private readonly origin = new Map<number, string>();
  private readonly dtypes = new Map<number, number>();
  private readonly tensors = new Map<string, { dtype: number; shape: readonly number[] }>();
  private ops = 0;
  private constants = 0;
  private lastOp = 'the start';
  /** Collectives run in the order they were recorded in, on every replica the same: each waits for the one before. */
  private lastCollective: string | undefined;

  constructor(
    private readonly real: NativeBinding,
    private readonly options: TraceOptions,
  ) {
    for (const argument of options.arguments) this.declare(argument);
  }

  binding(): NativeBinding {
    const { real } = this;
    return Object.create(real, {
      createTensor: {
        value: (shape: number[], dtype: number, values: ArrayLike<number>) => {
          const id = real.createTensor(shape, dtype, values);
          this.options.constants.set(id, { dtype, shape, values });
          return id;
        },
      },
      executeOp: {
        value: (op: string, attributes: OpAttribute[], inputs: number[], outputs: number) => {
          const made = real.executeOp(op, attributes, inputs, outputs);
          this.record(op, attributes, inputs, made);
          return made;
        },
      },
      tensorDataSync: { value: () => this.refuse('reads the values of a tensor on the host') },
      executeOpAsync: { value: () => this.refuse('executes an op asynchronously') },
      runSavedModel: { value: () => this.refuse('runs a saved model') },
    }) as NativeBinding;
  }

  finish(ids: number[]): Trace {
    const taken = new Set(this.argumentNames.map((name) => `${name}:0`));
    const outputs = ids.map((id, index) => {
      const origin = this.originOf(id, 'the result');
      if (!taken.has(origin)) {
        taken.add(origin);
        return origin;
      }
      // A function may neither return its argument nor return one value twice.
      const name = `result${index}`;
      this.nodes.push({ name, op: 'Identity', inputs: [origin], attributes: { T: this.typeOf(id) } });
      this.tensors.set(`${name}:0`, this.tensors.get(origin)!);
      return `${name}:0`;
    });
    return {
      nodes: this.nodes,
      arguments: this.argumentNames,
      captured: this.captured,
      outputs,
      tensors: this.tensors,
      ops: this.ops,
      constants: this.constants,
    };
  }

  private record(op: string, attributes: OpAttribute[], inputs: number[], made: TensorMetadata[]): void {
    if (this.options.fold && inputs.every((id) => this.isConstant(id))) {
      for (const tensor of made) this.keepValues(tensor);
      return;
    }
    const name = `op${this.ops++}`;
    this.lastOp = `op ${this.ops} (${op})`;
    const values: Record<string, AttrValue> = {};
    for (const attribute of attributes) values[attribute.name] = attrValue(this.real, attribute);
    const origins = inputs.map((id) => this.originOf(id, op));
    if (op === ALL_REDUCE) {
      if (this.lastCollective) origins.push(`^${this.lastCollective}`);
      this.lastCollective = name;
    }
    this.nodes.push({ name, op, inputs: origins, attributes: values });
    for (const [index, { id, dtype, shape }] of made.entries()) {
      this.remember(id, `${name}:${index}`, dtype, shape);
    }
  }

  private remember(id: number, origin: string, dtype: number, shape: readonly number[]): void {
    this.origin.set(id, origin);
    this.dtypes.set(id, dtype);
    this.tensors.set(origin, { dtype, shape });
  }

  /** Whether the tensor is the same at every call; one from outside is, since it cannot be handed in. */
  private isConstant(id: number): boolean {
    if (this.options.constants.has(id)) return true;
    if (this.origin.has(id)) return false;
    const [alias] = this.real.executeOp('Identity', [], [id], 1);
    this.keepValues({ ...alias!, id });
    this.real.deleteTensor(alias!.id);
    return true;
  }

  /** Written to the graph when something that is not constant reads it. */
  private keepValues({ id, dtype, shape }: TensorMetadata): void {
    const read = this.real.tensorDataSync(id);
    const values = read instanceof BigInt64Array ? new Int32Array(read.buffer) : read;
    this.options.constants.set(id, { dtype, shape, values });
  }

  private typeOf(id: number): AttrValue {
    const dtype = this.dtypes.get(id);
    if (dtype === undefined) throw new MedformerError('INTERNAL', `tensor ${id} has no recorded dtype`);
    return { kind: 'type', value: dtype };
  }

  private originOf(id: number, reader: string): string {
    const known = this.origin.get(id);
    if (known !== undefined) return known;
    if (this.options.fold) this.isConstant(id);
    const constant = this.options.constants.get(id);
    if (constant) return this.writeConstant(id, constant);
    const forbidden = this.options.forbidden.get(id);
    if (forbidden) throw new MedformerError('INVALID_ARGUMENT', `${reader} reads ${forbidden}`);
    return this.capture(id);
  }

  private declare({ id, dtype, shape }: TraceArgument): string {
    const name = `argument${this.argumentNames.length}`;
    this.argumentNames.push(name);
    this.nodes.push({
      name,
      op: 'Placeholder',
      inputs: [],
      attributes: { dtype: { kind: 'type', value: dtype }, shape: { kind: 'shape', value: shape } },
    });
    this.remember(id, `${name}:0`, dtype, shape);
    return `${name}:0`;
  }

  /** A tensor made before the step, e.g. a table: it becomes an argument that is always the same. */
  private capture(id: number): string {
    const [alias] = this.real.executeOp('Identity', [], [id], 1);
    const { dtype, shape } = alias!;
    this.real.deleteTensor(alias!.id);
    this.captured.push(id);
    return this.declare({ id, dtype, shape });
  }

  private writeConstant(
    id: number,
    host: { dtype: number; shape: number[]; values: ArrayLike<number> },
  ): string {
    const { dtype, shape } = host;
    const dense = typedValues(this.real, dtype, host.values);
    const name = `constant${this.constants++}`;
    const constant = (suffix: string, value: TensorValue): string => {
      this.nodes.push({
        name: `${name}${suffix}`,
        op: 'Const',
        inputs: [],
        attributes: { dtype: { kind: 'type', value: value.dtype }, value: { kind: 'tensor', value } },
      });
      this.tensors.set(`${name}${suffix}:0`, { dtype: value.dtype, shape: value.shape });
      return `${name}${suffix}:0`;
    };
    const fills = !this.options.fold && dtype !== this.real.TF_INT64;
    if (fills && dense.length > FILL_ABOVE && isUniform(dense)) {
      const dims = {
        dtype: this.real.TF_INT32,
        shape: [shape.length],
        content: bytesOf(Int32Array.from(shape)),
      };
      const value = { dtype, shape: [], content: bytesOf(dense.subarray(0, 1)) };
      this.nodes.push({
        name,
        op: 'Fill',
        inputs: [constant('dims', dims), constant('value', value)],
        attributes: {
          T: { kind: 'type', value: dtype },
          index_type: { kind: 'type', value: this.real.TF_INT32 },
        },
      });
    } else {
      constant('', { dtype, shape, content: bytesOf(dense) });
    }
    this.remember(id, `${name}:0`, dtype, shape);
    return `${name}:0`;
  }

  private refuse(what: string): never {
    throw new MedformerError(
      'UNIMPLEMENTED',
      `the step ${what} (after ${this.lastOp}), so it cannot become one TensorFlow function; run it eagerly`,
    );
  }
}

type DenseValues = Float32Array | Int32Array | Uint8Array;

/** tfjs hands over typed arrays or plain numbers; TensorFlow's layout depends on the dtype alone. */
function typedValues(binding: NativeBinding, dtype: number, values: ArrayLike<number>): DenseValues {
  switch (dtype) {
    case binding.TF_FLOAT:
      return values instanceof Float32Array ? values : Float32Array.from(values);
    case binding.TF_BOOL:
      return values instanceof Uint8Array ? values : Uint8Array.from(values);
    case binding.TF_INT32:
    case binding.TF_INT64: // Halves, low first: how tfjs-node hands an int64 over.
      return values instanceof Int32Array ? values : Int32Array.from(values);
    default:
      throw new MedformerError('UNIMPLEMENTED', `a constant of TF_DataType ${dtype} cannot be recorded`);
  }
}

function isUniform(values: DenseValues): boolean {
  const first = values[0];
  return values.every((value) => Object.is(value, first));
}

const bytesOf = (values: DenseValues): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The binding's {type, value} as a proto value. */
function attrValue(binding: NativeBinding, attribute: OpAttribute): AttrValue {
  const kinds = new Map<number, Exclude<AttrValue['kind'], 'tensor'>>([
    [binding.TF_ATTR_STRING, 'string'],
    [binding.TF_ATTR_INT, 'int'],
    [binding.TF_ATTR_FLOAT, 'float'],
    [binding.TF_ATTR_BOOL, 'bool'],
    [binding.TF_ATTR_TYPE, 'type'],
    [binding.TF_ATTR_SHAPE, 'shape'],
  ]);
  const kind = kinds.get(attribute.type);
  if (kind) return { kind, value: attribute.value } as AttrValue;
  throw new MedformerError(
    'UNIMPLEMENTED',
    `attribute ${attribute.name}: TF_AttrType ${attribute.type} cannot be recorded`,
  );
}
