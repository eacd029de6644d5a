import { MedformerError, toMedformerError } from '@medformer/schema';
import { backendInfo } from '../backend.js';
import { type NativeBackend, nativeBackend, type OpAttribute } from '../native-backend.js';
import { tf } from '../tf.js';
import { ALL_REDUCE } from './all-reduce.js';
import { PeerLostError } from './peer-lost-error.js';
import { ALONE, differentiableSum, type Replicas, type SumGradient } from './replicas.js';
import { encodeServerDef } from './server-def.js';
import { SilenceWatch } from './silence-watch.js';

export interface GroupOptions {
  /** Of this process, from 0. */
  rank: number;
  /** `host:port` of every process, in the order of the ranks; the same list in all of them. */
  addresses: readonly string[];
  /**
   * How long peers may take outside of steps: to be there, to read what they train on, and rank 0 to evaluate. Default
   * 10 minutes.
   */
  joinTimeoutMs?: number;
  /** How long a peer may keep this process waiting in a step, which rank 0 begins after its checkpoint. Default 10 minutes. */
  peerTimeoutMs?: number;
  /** Ends the waiting for peers that are to come. */
  signal?: AbortSignal | undefined;
}

export interface ReplicaGroup extends Replicas {
  /** Waits for all, so that none of them sees another end before it; a peer that is gone by then does not matter. */
  leave(): Promise<void>;
}

/**
 * Joins the processes of a data-parallel run, over TensorFlow's own collective runtime (gRPC, NCCL between GPUs). Once per
 * process, after `useBackend` and before tensors are made: the names of TensorFlow's devices change. The port is open on
 * all of the machine's interfaces, without authentication.
 *
 * After a PeerLostError this process cannot join a group again, and has to end.
 * @throws MedformerError INVALID_ARGUMENT for a rank that has no address, FAILED_PRECONDITION where the port is taken
 * @throws PeerLostError when the peers are not there in time
 */
export async function joinGroup(options: GroupOptions): Promise<ReplicaGroup> {
  const { rank, addresses, joinTimeoutMs = 600_000, peerTimeoutMs = 600_000 } = options;
  if (!Number.isInteger(rank) || rank < 0 || rank >= addresses.length) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `rank: expected a whole number from 0 to ${addresses.length - 1}, found ${rank}`,
    );
  }
  if (addresses.length === 1) return { ...ALONE, leave: async () => undefined };
  const backend = nativeBackend();
  const { threads } = backendInfo();
  const intraOp = Number(process.env.TF_NUM_INTRAOP_THREADS) || threads;
  try {
    backend.binding.enableCollectives(encodeServerDef(rank, addresses, { intraOp, interOp: threads }));
  } catch (cause) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `data parallel: cannot listen at port ${addresses[rank]!.split(':').at(-1)}: ${(cause as Error).message}`,
      { cause },
    );
  }
  const group = new TensorflowGroup(backend, rank, addresses.length, {
    joinTimeoutMs,
    peerTimeoutMs,
  });
  await group.meet(options.signal);
  return group;
}

/** Of all the collectives of a process, whose group is all processes. */
const GROUP_KEY = 1;
/** TF_Code of what peers cause; they have gRPC's numbers. */
const PEER_CODES = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'ABORTED', 'CANCELLED']);

class TensorflowGroup implements ReplicaGroup {
  private readonly watch = new SilenceWatch();
  /** Instance keys by place in a computation and size: TensorFlow keeps what it agreed on of each. */
  private readonly keys = new Map<string, number>();
  private place = 0;

  constructor(
    private readonly backend: NativeBackend,
    readonly rank: number,
    readonly size: number,
    private readonly limits: Required<Pick<GroupOptions, 'joinTimeoutMs' | 'peerTimeoutMs'>>,
  ) {}

  sum(x: tf.Tensor, gradient: SumGradient = 'summed'): tf.Tensor {
    return differentiableSum(x, (values) => this.allReduce(values, 'Id'), this.size, gradient);
  }

  mean(x: tf.Tensor): tf.Tensor {
    return this.allReduce(x, 'Div');
  }

  restart(): void {
    this.place = 0;
  }

  async fromFirst(values: Float64Array): Promise<Float64Array> {
    // By 16 bits, which a float32 holds exactly.
    const halves = new Uint16Array(values.slice().buffer);
    const given = this.rank === 0 ? Float32Array.from(halves) : new Float32Array(halves.length);
    const sums = await this.within(this.limits.joinTimeoutMs, () => this.sumAsync(given));
    return new Float64Array(Uint16Array.from(sums).buffer);
  }

  together<T>(work: () => Promise<T>): Promise<T> {
    return this.within(this.limits.peerTimeoutMs, work);
  }

  async meet(signal: AbortSignal | undefined): Promise<void> {
    const count = await this.count(signal);
    if (count !== this.size)
      throw new MedformerError('INTERNAL', `data parallel: expected ${this.size} processes, found ${count}`);
  }

  async leave(): Promise<void> {
    try {
      await this.count();
    } catch (error) {
      if (!(error instanceof PeerLostError)) throw error;
    } finally {
      await this.watch.stop();
    }
  }

  private async count(signal?: AbortSignal): Promise<number> {
    const counted = () => this.sumAsync(Float32Array.of(1));
    return (await this.within(this.limits.joinTimeoutMs, counted, signal))[0]!;
  }

  private async within<T>(milliseconds: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await this.watch.within(milliseconds, work, signal);
    } catch (thrown) {
      throw signal?.aborted ? signal.reason : peerError(thrown);
    }
  }

  private async sumAsync(values: Float32Array): Promise<Float32Array> {
    const { binding } = this.backend;
    const name = `host ${values.length}`;
    const [x, size, group, instance] = [
      tf.tensor1d(values),
      ...[this.size, GROUP_KEY, this.keyOf(name)].map((key) => tf.scalar(key, 'int32')),
    ];
    const inputs = [x!, size!, group!, instance!];
    try {
      const ids = this.backend.getInputTensorIds(inputs);
      const [made] = await binding.executeOpAsync(ALL_REDUCE, this.attributes('Id'), ids, 1);
      const sum = this.backend.createOutputTensor(made!);
      const read = (await sum.data()) as Float32Array;
      sum.dispose();
      return read;
    } finally {
      tf.dispose(inputs);
    }
  }

  private allReduce(x: tf.Tensor, finalOp: 'Id' | 'Div'): tf.Tensor {
    const instance = this.keyOf(`${this.place} ${finalOp} ${x.shape.join('x')}`);
    this.place += 1;
    return tf.tidy(() => {
      const scalars = [this.size, GROUP_KEY, instance].map((key) => tf.scalar(key, 'int32'));
      // One axis: a scalar, too, is then a vector to the ring.
      const inputs = [tf.reshape(x, [x.size]), ...scalars];
      try {
        const reduced = this.backend.executeSingleOutput(ALL_REDUCE, this.attributes(finalOp), inputs);
        return tf.reshape(reduced, x.shape);
      } catch (cause) {
        throw new PeerLostError(firstLine(cause), { cause });
      }
    });
  }

  private keyOf(name: string): number {
    const known = this.keys.get(name) ?? this.keys.size + 1;
    this.keys.set(name, known);
    return known;
  }

  /** Without a timeout of TensorFlow's: each leaves two threads asleep until it has passed. */
  private attributes(finalOp: 'Id' | 'Div'): OpAttribute[] {
    const { TF_ATTR_TYPE, TF_ATTR_STRING, TF_ATTR_INT, TF_FLOAT } = this.backend.binding;
    return [
      { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT },
      { name: 'merge_op', type: TF_ATTR_STRING, value: 'Add' },
      { name: 'final_op', type: TF_ATTR_STRING, value: finalOp },
      { name: 'communication_hint', type: TF_ATTR_STRING, value: 'auto' },
      { name: 'max_subdivs_per_device', type: TF_ATTR_INT, value: -1 },
    ];
  }
}

/** What TensorFlow says when a peer is gone, as such. */
function peerError(thrown: unknown): MedformerError {
  if (thrown instanceof PeerLostError) return thrown;
  const code = (thrown as { code?: string }).code ?? '';
  const text = firstLine(thrown);
  const byTensorflow = PEER_CODES.has(code) || ['1', '4', '10', '14'].includes(code);
  if (byTensorflow || /collective/i.test(text)) return new PeerLostError(text, { cause: thrown });
  return toMedformerError(thrown);
}

const firstLine = (thrown: unknown): string => ((thrown as Error)?.message ?? String(thrown)).split('\n')[0]!;
