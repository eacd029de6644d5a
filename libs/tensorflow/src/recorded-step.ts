import { ERROR_CODES, MedformerError, toMedformerError } from '@medformer/schema';
import { encodeGraphDef, encodeNode } from './graph-def.js';
import { type NativeBackend, nativeBackend, type TensorMetadata } from './native-backend.js';
import { tf } from './tf.js';
import { type HostConstants, type Trace, type TraceArgument, trace } from './trace.js';

/** Computes from its inputs and from variables, which it may assign; returns tensors. */
export type Step = (inputs: tf.Tensor[]) => tf.Tensor[];

/** A training step recorded once for one set of input shapes and run as one TensorFlow function. */
export interface RecordedStep {
  /**
   * Feeds the inputs and the variables' present values, assigns the variables the step changed and returns its
   * results, which the caller disposes of. The event loop is free meanwhile; leave the variables alone until the
   * promise settles. When it rejects, no variable has changed.
   *
   * @throws MedformerError INVALID_ARGUMENT for other shapes or dtypes than the recorded ones
   * @throws MedformerError FAILED_PRECONDITION after `dispose`, or while a run over one of its variables is under way
   */
  run(inputs: tf.Tensor[]): Promise<tf.Tensor[]>;
  readonly stats: RecordedStepStats;
  /** Frees the function and what it captured. Variables and results stay. */
  dispose(): void;
}

export interface RecordedStepStats {
  /** TensorFlow ops in the function, constants apart. */
  ops: number;
  constants: number;
  /** Variables and inputs that are fed, and captured tensors. */
  arguments: number;
  /** Results and changed variables. */
  outputs: number;
  /** Size of the serialised graph. */
  graphBytes: number;
  /** Time the recording took, its two eager runs included. */
  recordMs: number;
}

/**
 * Records `step` as one TensorFlow function for the shapes and dtypes of `inputs`.
 *
 * The step is run twice, eagerly, and the variables are put back after each: recording changes nothing. Everything
 * JavaScript computes becomes part of the function, so learning rate, step count and random draws belong into
 * `inputs`; the second run exists to find what does not. Tensors made before the step and read by it are captured as
 * they are. Variables must exist beforehand and all be listed, optimiser slots included.
 *
 * @param step as for an eager call; the same closure stays usable eagerly
 * @param inputs examples of the inputs, for their shapes and dtypes
 * @param variables every variable the step reads or assigns
 * @throws MedformerError UNIMPLEMENTED when the step reads a tensor on the host, or computes other constants at each
 *   call: run it eagerly
 * @throws MedformerError INVALID_ARGUMENT when the step uses or makes a variable that is not listed
 * @throws MedformerError FAILED_PRECONDITION without the native backend
 */
export function recordStep(step: Step, inputs: tf.Tensor[], variables: tf.Variable[]): RecordedStep {
  const started = performance.now();
  const backend = nativeBackend();
  const constants: HostConstants = new Map();
  const listed = [...new Set(variables)];
  unshare(backend, listed);

  const first = traceStep(backend, step, inputs, listed, constants);
  const second = traceStep(backend, step, inputs, listed, constants);
  requireSameGraph(first.trace, second.trace);

  const graph = encodeGraphDef(second.trace.nodes);
  const name = `medformer_step_${serial++}`;
  try {
    backend.binding.addGraphFunction(
      name,
      graph,
      second.trace.arguments.map((argument) => `${argument}:0`),
      second.trace.outputs,
    );
  } catch (cause) {
    throw new MedformerError(
      'UNIMPLEMENTED',
      `TensorFlow refuses the recorded step: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  return new GraphFunctionStep(backend, name, inputs, listed, second, {
    ops: second.trace.ops,
    constants: second.trace.constants,
    arguments: second.trace.arguments.length,
    outputs: second.trace.outputs.length,
    graphBytes: graph.length,
    recordMs: performance.now() - started,
  });
}

/** Function names live in the TensorFlow context, which is this thread's. */
let serial = 0;

/** Variables some run is about to assign. */
const busy = new Set<tf.Variable>();

interface TracedStep {
  trace: Trace;
  results: number;
  /** Assigned by the step, in the order of the outputs after the results. */
  changed: tf.Variable[];
}

class GraphFunctionStep implements RecordedStep {
  private readonly signature: { shape: number[]; dtype: tf.DataType }[];
  private readonly captured: number[];
  private running = false;
  private disposed = false;

  constructor(
    private readonly backend: NativeBackend,
    private readonly name: string,
    inputs: tf.Tensor[],
    private readonly variables: tf.Variable[],
    private readonly traced: TracedStep,
    readonly stats: RecordedStepStats,
  ) {
    this.signature = inputs.map(({ shape, dtype }) => ({ shape: [...shape], dtype }));
    this.captured = traced.trace.captured.map((id) => alias(backend, id).id);
  }

  async run(inputs: tf.Tensor[]): Promise<tf.Tensor[]> {
    if (this.disposed) throw new MedformerError('FAILED_PRECONDITION', 'the recorded step is disposed of');
    this.checkInputs(inputs);
    const contended = this.running || this.traced.changed.some((variable) => busy.has(variable));
    if (contended) {
      throw new MedformerError(
        'FAILED_PRECONDITION',
        'a run over the same variables is under way; await it before the next',
      );
    }
    const { trace, results, changed } = this.traced;
    const ids = [...this.backend.getInputTensorIds([...this.variables, ...inputs]), ...this.captured];
    this.running = true;
    for (const variable of changed) busy.add(variable);
    try {
      const outputs = await this.backend.binding
        .executeOpAsync(this.name, [], ids, trace.outputs.length)
        .catch((error: unknown) => Promise.reject(fromTensorflow(error)));
      changed.forEach((variable, index) => {
        assign(this.backend, variable, outputs[results + index]!);
      });
      return outputs.slice(0, results).map((metadata) => this.result(metadata));
    } finally {
      this.running = false;
      for (const variable of changed) busy.delete(variable);
      if (this.disposed) this.free();
    }
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (!this.running) this.free();
  }

  private free(): void {
    this.backend.binding.removeGraphFunction(this.name);
    for (const id of this.captured) this.backend.binding.deleteTensor(id);
  }

  /** Kept: the promise settles outside of any tidy the caller may be in. */
  private result(metadata: TensorMetadata): tf.Tensor {
    return tf.keep(this.backend.createOutputTensor(metadata));
  }

  private checkInputs(inputs: tf.Tensor[]): void {
    const describe = ({ shape, dtype }: { shape: readonly number[]; dtype: string }) => `${dtype}[${shape}]`;
    const expected = this.signature.map(describe);
    const found = inputs.map(describe);
    if (expected.length !== found.length || expected.some((text, index) => text !== found[index])) {
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `inputs of the recorded step: expected ${expected.join(', ')}, found ${found.join(', ')}`,
      );
    }
  }
}

/** One eager run of the step with everything written down; the variables are as before afterwards. */
function traceStep(
  backend: NativeBackend,
  step: Step,
  inputs: tf.Tensor[],
  variables: tf.Variable[],
  constants: HostConstants,
): TracedStep {
  const before = variables.map((variable) => tf.keep(variable.clone()));
  const existing = new Set(Object.values(tf.engine().registeredVariables));
  // One tensor given for two inputs would be one argument: the step gets its own handles.
  const distinct = inputs.map((input) => alias(backend, backend.getInputTensorIds([input])[0]!));
  const given = distinct.map((metadata) => tf.keep(backend.createOutputTensor(metadata)));
  const declared: TraceArgument[] = [...variables, ...given].map((tensor) => ({
    id: idOf(backend, tensor),
    dtype: backend.getDTypeInteger(tensor.dtype),
    shape: tensor.shape,
  }));
  const unlisted = [...existing].filter((variable) => !variables.includes(variable));
  const unlistedIds = new Map(unlisted.map((variable) => [idOf(backend, variable), variable]));
  const changed: tf.Variable[] = [];
  let results = 0;
  try {
    const recorded = tidy(() =>
      trace(backend, {
        arguments: declared,
        constants,
        forbidden: new Map([...unlistedIds].map(([id, variable]) => [id, unlistedName(variable)])),
        run: () => {
          const returned = step(given);
          results = returned.length;
          changed.push(
            ...variables.filter((variable, index) => idOf(backend, variable) !== declared[index]!.id),
          );
          return [...returned, ...changed].map((tensor) => idOf(backend, tensor));
        },
      }),
    );
    requireListed(backend, existing, unlistedIds);
    return { trace: recorded, results, changed };
  } finally {
    variables.forEach((variable, index) => {
      variable.assign(before[index]!);
    });
    tf.dispose([...before, ...given]);
  }
}

/** tf.tidy for a result without tensors, which it must not search for any. */
function tidy<T>(compute: () => T): T {
  tf.engine().startScope();
  try {
    return compute();
  } finally {
    tf.engine().endScope();
  }
}

function requireListed(
  backend: NativeBackend,
  existing: ReadonlySet<tf.Variable>,
  unlistedIds: ReadonlyMap<number, tf.Variable>,
): void {
  const made = Object.values(tf.engine().registeredVariables).find((variable) => !existing.has(variable));
  if (made) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `the step makes the variable ${made.name}; make it beforehand and list it`,
    );
  }
  const assigned = [...unlistedIds].find(([id, variable]) => idOf(backend, variable) !== id);
  if (assigned) throw new MedformerError('INVALID_ARGUMENT', `the step assigns ${unlistedName(assigned[1])}`);
}

const unlistedName = (variable: tf.Variable): string =>
  `the variable ${variable.name} ${JSON.stringify(variable.shape)}, which is not among the listed variables`;

/** What JavaScript drew or counted differs between two runs; all else is the same, node by node. */
function requireSameGraph(first: Trace, second: Trace): void {
  const different = first.nodes.findIndex((node, index) => {
    const other = second.nodes[index];
    return !other || Buffer.compare(encodeNode(node), encodeNode(other)) !== 0;
  });
  if (different === -1 && first.nodes.length === second.nodes.length) return;
  const name = first.nodes[different]?.name;
  const reader = first.nodes.find((node) => node.inputs.some((input) => input.split(':')[0] === name));
  throw new MedformerError(
    'UNIMPLEMENTED',
    `the step computes something else at each call (${name ?? 'more ops'}${reader ? `, read by ${reader.op}` : ''}): hand random draws, step counts and learning rates to it as inputs, or run it eagerly`,
  );
}

/** Variables that share their data, as after `a.assign(b)`, would be one argument: each gets its own handle. */
function unshare(backend: NativeBackend, variables: tf.Variable[]): void {
  const seen = new Set<number>();
  for (const variable of variables) {
    const id = idOf(backend, variable);
    if (seen.has(id)) {
      tf.tidy(() => variable.assign(backend.createOutputTensor(alias(backend, id)) as tf.Tensor));
    }
    seen.add(idOf(backend, variable));
  }
}

/** Puts a new native tensor behind a variable; nothing is copied. */
function assign(backend: NativeBackend, variable: tf.Variable, metadata: TensorMetadata): void {
  const data = backend.tensorMap.get(variable.dataId);
  if (data.refCount === 1 && data.values === null) {
    // Nobody else sees this data: exchanging the handle spares hundreds of tensor objects per step.
    backend.binding.deleteTensor(data.id);
    data.id = metadata.id;
    return;
  }
  const fresh = backend.createOutputTensor(metadata);
  variable.assign(fresh);
  fresh.dispose();
}

/** Another handle of the same native tensor; shares the buffer. */
function alias(backend: NativeBackend, id: number): TensorMetadata {
  return backend.binding.executeOp('Identity', [], [id], 1)[0]!;
}

const idOf = (backend: NativeBackend, tensor: tf.Tensor): number => backend.getInputTensorIds([tensor])[0]!;

/** TF_Code has gRPC's numbers. */
function fromTensorflow(error: unknown): MedformerError {
  const code = ERROR_CODES[Number((error as { code?: string }).code) - 1];
  return code
    ? new MedformerError(code, `TensorFlow: ${(error as Error).message}`, { cause: error })
    : toMedformerError(error);
}
