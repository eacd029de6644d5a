import type { Client, ServiceError } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';

const HEALTH_TIMEOUT_MS = 2000;

/** grpc.health.v1: `SERVING`, `NOT_SERVING` … of the server as a whole. */
export function checkHealth(client: Client): Promise<string> {
  const check = service.Check;
  if (check === undefined) throw new Error('grpc.health.v1 has no Check');
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      check.path,
      check.requestSerialize,
      check.responseDeserialize,
      { service: '' },
      { deadline: Date.now() + HEALTH_TIMEOUT_MS },
      (error: ServiceError | null, response?: unknown) => {
        if (error !== null) reject(error);
        else resolve((response as { status: string }).status);
      },
    );
  });
}
