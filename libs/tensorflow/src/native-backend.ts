import { MedformerError } from '@medformer/schema';
import { tf } from './tf.js';

/** What the binding says of a tensor it made. */
export interface TensorMetadata {
  id: number;
  shape: number[];
  /** A TF_DataType. */
  dtype: number;
}

/** An attribute of an op; `type` is one of the binding's TF_ATTR_ numbers. */
export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

/** tfjs-node's N-API binding with this project's patch (patches/). Tensors are numbers in its table. */
export interface NativeBinding {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_INT64: number;
  readonly TF_BOOL: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
  isUsingGpuDevice(): boolean;
  getNumOfTensors(): number;
  createTensor(shape: number[], dtype: number, values: ArrayLike<number>): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array | BigInt64Array;
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): TensorMetadata[];
  /** As executeOp, on a thread of libuv's pool. A rejection's `code` is the TF_Code in decimal. */
  executeOpAsync(
    name: string,
    attributes: OpAttribute[],
    inputs: number[],
    outputs: number,
  ): Promise<TensorMetadata[]>;
  /** Registers a serialised GraphDef as a function; inputs and outputs are `node:output`. */
  addGraphFunction(name: string, graphDef: Uint8Array, inputs: string[], outputs: string[]): void;
  removeGraphFunction(name: string): void;
  /** Joins the cluster of a serialised ServerDef; returns this process's device name. */
  enableCollectives(serverDef: Uint8Array): string;
}

/** The entry of a tensor's data in tfjs-node's table. */
export interface NativeTensorData {
  id: number;
  shape: number[];
  dtype: number;
  /** Values that are not handed to TensorFlow yet; then `id` means nothing. */
  values: ArrayLike<number> | null;
  refCount: number;
}

/** The parts of tfjs-node's backend that this package reaches into. */
export interface NativeBackend {
  binding: NativeBinding;
  readonly tensorMap: { get(dataId: object): NativeTensorData };
  getDTypeInteger(dtype: tf.DataType): number;
  getInputTensorIds(tensors: tf.TensorInfo[]): number[];
  createOutputTensor(metadata: TensorMetadata): tf.Tensor;
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: tf.TensorInfo[]): tf.Tensor;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: tf.TensorInfo[],
    outputs: number,
  ): tf.Tensor[];
}

/** The name tfjs-node registers its backend under. */
export const NATIVE_BACKEND_NAME = 'tensorflow';

/**
 * The native backend in use.
 *
 * @throws MedformerError FAILED_PRECONDITION before `useBackend`, or on another backend
 */
export function nativeBackend(): NativeBackend {
  if (tf.engine().backendName !== NATIVE_BACKEND_NAME) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `native TensorFlow is not in use (backend: ${tf.engine().backendName ?? 'none'}); call useBackend() first`,
    );
  }
  return tf.backend() as unknown as NativeBackend;
}
