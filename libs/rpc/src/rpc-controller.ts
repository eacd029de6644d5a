import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { Ctx, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import type { CallContext } from './call-context.js';

/**
 * The methods a controller owes to a ts-proto service definition, by their generated (lower-camel) names:
 * a unary method answers with a promise, a server-streaming one with an AsyncIterable (an `async *` method), a
 * client-streaming one receives an AsyncIterable of requests, and one that streams both ways does both. Both directions
 * respect back-pressure.
 */
export type RpcHandlers<Definition> = {
  [Name in keyof Definition]: Definition[Name] extends RpcShape<infer Streams, infer Request, infer Response>
    ? (
        request: Streams['requestStream'] extends true ? AsyncIterable<Request> : Request,
        call: CallContext,
      ) => Streams['responseStream'] extends true ? AsyncIterable<Response> : Response | Promise<Response>
    : never;
};

type Streaming = { requestStream: boolean; responseStream: boolean };
type RpcShape<Streams extends Streaming, Request, Response> = Streams & {
  requestDeserialize(bytes: Buffer): Request;
  responseSerialize(message: Response): Buffer;
};

/**
 * Makes a class the handler of a whole gRPC service; goes above Nest's `@Controller()`. A method that is missing or has
 * another signature than the service definition does not compile.
 */
export function RpcController<Definition extends object>(definition: Definition) {
  return (target: new (...dependencies: never[]) => RpcHandlers<Definition>): void => {
    for (const [name, method] of Object.entries(definition as ServiceDefinition)) {
      const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
      if (!descriptor) throw new TypeError(`${target.name} has no method ${name}`);
      Payload()(target.prototype, name, 0);
      Ctx()(target.prototype, name, 1);
      MessagePattern(patternOf(method), Transport.GRPC)(target.prototype, name, descriptor);
    }
  };
}

/** The key under which Nest keeps a handler: the rpc's path, e.g. `/medformer.encoder.v1.EncoderService/Encode`. */
export function patternOf(method: MethodDefinition<unknown, unknown>): string {
  return method.path;
}

/** `medformer.encoder.v1.EncoderService`, as health checks and reflection name it. */
export function serviceNameOf(definition: object): string {
  const [method] = Object.values(definition as ServiceDefinition);
  if (!method) throw new TypeError('a service definition without methods has no name');
  return method.path.split('/')[1]!;
}
