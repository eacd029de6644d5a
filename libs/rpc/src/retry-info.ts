import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** The trailer in which gRPC carries a google.rpc.Status. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

/**
 * A google.rpc.Status with one google.rpc.RetryInfo (googleapis, google/rpc/error_details.proto), which clients of every
 * language can read: when to try again.
 */
export function retryStatus(code: number, message: string, retryAfterMs: number): Buffer {
  const duration = new BinaryWriter()
    .uint32(tag(1, VARINT))
    .int64(Math.floor(retryAfterMs / 1000))
    .uint32(tag(2, VARINT))
    .int32(Math.round((retryAfterMs % 1000) * 1e6))
    .finish();
  const retryInfo = new BinaryWriter().uint32(tag(1, BYTES)).bytes(duration).finish();
  const detail = new BinaryWriter()
    .uint32(tag(1, BYTES))
    .string('type.googleapis.com/google.rpc.RetryInfo')
    .uint32(tag(2, BYTES))
    .bytes(retryInfo)
    .finish();
  const status = new BinaryWriter()
    .uint32(tag(1, VARINT))
    .int32(code)
    .uint32(tag(2, BYTES))
    .string(message)
    .uint32(tag(3, BYTES))
    .bytes(detail)
    .finish();
  return Buffer.from(status);
}

const VARINT = 0;
const BYTES = 2;

function tag(field: number, type: typeof VARINT | typeof BYTES): number {
  return (field << 3) | type;
}
