import { isIPv6 } from 'node:net';
import { Server as GrpcServer, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { MedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import { Server, Transport } from '@nestjs/microservices';
import { HealthImplementation } from 'grpc-health-check';
import { showMethod } from './call-metrics.js';
import { CallRunner, type Handler } from './call-runner.js';
import { addReflection } from './reflection.js';
import { patternOf, serviceNameOf } from './rpc-controller.js';
import type { Security } from './security/security.js';
import type { CallTracer } from './tracing/call-tracer.js';

export interface GrpcTransportOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** Health alone, for probes that cannot speak the main port's credentials. */
  probePort?: number | undefined;
  definitions: readonly object[];
  logger: Logger;
  security: Security;
  tracer: CallTracer | undefined;
  maxMessageBytes: number;
  maxConnectionAgeMs: number;
  maxConnectionIdleMs: number;
  /** Each holds its messages in memory until its handler takes them. */
  maxStreamsPerConnection: number;
  keepaliveTimeMs: number;
  keepaliveTimeoutMs: number;
  drainTimeoutMs: number;
}

/** How long handlers may take to end once their signals fired in a drain that has run out of time. */
const ABORT_TIMEOUT_MS = 2000;
/** How long the last bytes of finished calls may take to leave. */
const FLUSH_TIMEOUT_MS = 1000;

/**
 * The gRPC server as a Nest transport. Nest's own is not used because it decodes by proto-loader instead of the
 * generated code, buffers streams without bound, and has no place for deadlines and a bounded drain.
 */
export class GrpcTransport extends Server {
  override readonly transportId = Transport.GRPC;
  readonly serviceNames: readonly string[];
  private readonly server: GrpcServer;
  private readonly probeServer = new GrpcServer();
  private readonly health: HealthImplementation;
  private readonly calls: CallRunner;
  private ports: { port: number; probePort?: number } = { port: 0 };
  private draining = false;

  constructor(private readonly settings: GrpcTransportOptions) {
    super();
    this.serviceNames = settings.definitions.map(serviceNameOf);
    const { guard, audit } = settings.security;
    this.calls = new CallRunner(settings.logger, guard, audit, settings.tracer);
    this.server = new GrpcServer({
      'grpc.max_receive_message_length': settings.maxMessageBytes,
      'grpc.max_send_message_length': settings.maxMessageBytes,
      // Clients that balance by DNS look again when a connection ends; without an age they never see new pods.
      'grpc.max_connection_age_ms': settings.maxConnectionAgeMs,
      // What connects and asks for nothing holds a socket; clients come back by themselves.
      'grpc.max_connection_idle_ms': settings.maxConnectionIdleMs,
      // A peer whose machine is gone says nothing: its calls would go on for ever.
      'grpc.keepalive_time_ms': settings.keepaliveTimeMs,
      'grpc.keepalive_timeout_ms': settings.keepaliveTimeoutMs,
      'grpc.max_concurrent_streams': settings.maxStreamsPerConnection,
      interceptors: [guard.interceptor],
    });
    const statuses = Object.fromEntries(
      ['', ...this.serviceNames].map((name) => [name, 'NOT_SERVING' as const]),
    );
    this.health = new HealthImplementation(statuses);
    this.health.addToServer(this.server);
    this.health.addToServer(this.probeServer);
    addReflection(this.server, this.serviceNames);
  }

  get port(): number {
    return this.ports.port;
  }

  get probePort(): number | undefined {
    return this.ports.probePort;
  }

  /** Health starts before the modules do, so that probes see a slow start as not serving instead of as dead. */
  async listenForProbes(): Promise<void> {
    if (this.settings.probePort === undefined) return;
    this.ports.probePort = await bind(
      this.probeServer,
      this.settings.host,
      this.settings.probePort,
      ServerCredentials.createInsecure(),
    );
  }

  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      for (const definition of this.settings.definitions) this.addService(definition as ServiceDefinition);
      this.ports.port = await bind(
        this.server,
        this.settings.host,
        this.settings.port,
        this.settings.security.credentials,
      );
      callback();
    } catch (error) {
      callback(error);
    }
  }

  setServing(service: string, serving: boolean): void {
    this.health.setStatus(service, serving && !this.draining ? 'SERVING' : 'NOT_SERVING');
  }

  /**
   * Says NOT_SERVING, takes no new connections, lets calls under way finish within the drain timeout, then fires their
   * signals, then closes what is left.
   */
  async close(): Promise<void> {
    if (this.draining) return;
    this.draining = true;
    for (const name of ['', ...this.serviceNames]) this.setServing(name, false);
    const flushed = new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    if (!(await this.calls.waitUntilIdle(this.settings.drainTimeoutMs))) {
      this.settings.logger.warn(
        { calls: this.calls.activeCalls },
        'drain timed out, ending the calls under way',
      );
      this.calls.abortAll(new MedformerError('UNAVAILABLE', 'the server is shutting down'));
      await this.calls.waitUntilIdle(ABORT_TIMEOUT_MS);
    }
    // Health watchers never end by themselves.
    await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, FLUSH_TIMEOUT_MS).unref())]);
    this.server.forceShutdown();
    this.probeServer.forceShutdown();
  }

  on(): never {
    throw new MedformerError('UNIMPLEMENTED', 'the gRPC transport has no events');
  }

  unwrap<T>(): T {
    return this.server as T;
  }

  /** Rpcs without a handler answer UNIMPLEMENTED. */
  private addService(definition: ServiceDefinition): void {
    const handlers = Object.entries(definition).flatMap(([name, method]) => {
      const handler = this.messageHandlers.get(patternOf(method)) as Handler | undefined;
      if (handler) showMethod(method);
      return handler ? [[name, this.calls.handlerFor(method, handler)] as const] : [];
    });
    this.server.addService(definition, Object.fromEntries(handlers));
  }
}

async function bind(
  server: GrpcServer,
  host: string,
  port: number,
  credentials: ServerCredentials,
): Promise<number> {
  const address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error) {
        reject(new MedformerError('UNAVAILABLE', `cannot listen on ${address}`, { cause: error }));
      } else resolve(bound);
    });
  });
}
