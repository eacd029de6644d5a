import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Server } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { protoPath as healthProto } from 'grpc-health-check';

/**
 * Lets tools such as grpcurl list and call these services. Generated service definitions carry no descriptors, so the
 * descriptor set that buf wrote beside them answers.
 */
export function addReflection(server: Server, serviceNames: readonly string[]): void {
  const descriptors = createRequire(import.meta.url).resolve('@medformer/gen/descriptor.binpb');
  const definitions = {
    ...loadFileDescriptorSetFromBuffer(readFileSync(descriptors)),
    ...loadSync(healthProto),
  };
  const services = [...serviceNames, 'grpc.health.v1.Health'];
  new ReflectionService(definitions, { services }).addToServer(server);
}
