import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';

/**
 * Lets tools such as grpcurl list and call these services and health. Generated service definitions carry no descriptors, so
 * the descriptor set that buf wrote beside them answers. Its files are handed on byte for byte: proto-loader would write
 * them anew, without their imports, with relative type names and with names of map entries that clients refuse.
 */
export function addReflection(server: Server, serviceNames: readonly string[]): void {
  const path = createRequire(import.meta.url).resolve('@medformer/gen/descriptor.binpb');
  const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(path));
  const fileDescriptorProtos = file.map((each) => Buffer.from(toBinary(FileDescriptorProtoSchema, each)));
  // Reflection looks at nothing else of a definition.
  const generated = { medformer: { fileDescriptorProtos } } as unknown as PackageDefinition;
  const services = [...serviceNames, 'grpc.health.v1.Health'];
  new ReflectionService(generated, { services }).addToServer(server);
}
