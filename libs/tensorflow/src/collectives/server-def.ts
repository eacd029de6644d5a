import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const JOB = 'worker';

/**
 * A serialised `tensorflow.ServerDef` of one process among those at `addresses` (`host:port`, in the order of their ranks).
 * Field numbers are those of tensorflow/core/protobuf/{tensorflow_server,cluster,config}.proto.
 */
export function encodeServerDef(
  rank: number,
  addresses: readonly string[],
  threads: { intraOp: number; interOp: number },
): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork(); // ServerDef.cluster
  writer.tag(1, WireType.LengthDelimited).fork(); // ClusterDef.job
  writer.tag(1, WireType.LengthDelimited).string(JOB); // JobDef.name
  for (const [task, address] of addresses.entries()) {
    writer.tag(2, WireType.LengthDelimited).fork(); // JobDef.tasks, a map
    writer.tag(1, WireType.Varint).int32(task);
    writer.tag(2, WireType.LengthDelimited).string(address).join();
  }
  writer.join().join();
  writer.tag(2, WireType.LengthDelimited).string(JOB); // ServerDef.job_name
  writer.tag(3, WireType.Varint).int32(rank); // ServerDef.task_index
  writer.tag(4, WireType.LengthDelimited).fork(); // ServerDef.default_session_config
  writer.tag(2, WireType.Varint).int32(threads.intraOp); // ConfigProto.intra_op_parallelism_threads
  writer.tag(5, WireType.Varint).int32(threads.interOp); // ConfigProto.inter_op_parallelism_threads
  writer.tag(16, WireType.LengthDelimited).fork(); // ConfigProto.experimental
  writer.tag(1, WireType.LengthDelimited).string(`/job:${JOB}/replica:0/task:0`).join(); // collective_group_leader
  writer.join();
  writer.tag(5, WireType.LengthDelimited).string('grpc'); // ServerDef.protocol
  return writer.finish();
}
