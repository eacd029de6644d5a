import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import { MedformerError } from '@medformer/schema';
import { createLogger, type Logger, startOperationsServer, startProcessMetrics } from '@medformer/telemetry';
import type { DynamicModule, INestApplicationContext, LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { throwError } from 'rxjs';
import { type BaseConfig, objectStoreConfig } from './base-config.js';
import { GrpcTransport } from './grpc-transport.js';
import { serviceNameOf } from './rpc-controller.js';
import { openSecurity } from './security/security.js';
import { isOpenToAll } from './security/security-config.js';
import { LOGGER, OBJECT_STORE, type Stage } from './stage.js';
import { openTracer } from './tracing/call-tracer.js';

export interface RunningService {
  /** The ports that are listened on, also where 0 was asked for. */
  readonly port: number;
  readonly metricsPort: number;
  readonly probePort: number | undefined;
  readonly app: INestApplicationContext;
  /** Drains, then closes everything; waits for it when it is under way already. */
  close(): Promise<void>;
}

const READINESS_PERIOD_MS = 5000;

/**
 * Runs stages on one gRPC port: store opened, modules initialised, health and metrics served from the beginning.
 * @throws MedformerError for a store or a port that cannot be opened.
 */
export async function runService(
  name: string,
  stages: readonly Stage[],
  config: BaseConfig,
  options: { logger?: Logger } = {},
): Promise<RunningService> {
  const logger = options.logger ?? createLogger(name, { level: config.logLevel });
  startProcessMetrics();
  const store = await openObjectStore(objectStoreConfig(config));
  const definitions = stages.flatMap((stage) => stage.definitions);
  const security = await openSecurity(name, config, logger);
  if (isOpenToAll(config)) {
    logger.warn(
      { host: config.host },
      'whoever reaches this address may do everything: no callers are configured',
    );
  }
  const tracer = await openTracer(name, config);
  const transport = new GrpcTransport({ ...config, definitions, logger, security, tracer });
  const readiness = new Readiness(stages, store, transport);
  const opened: { close(): Promise<void> }[] = [security, ...(tracer ? [tracer] : [])];
  const closeAll = async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  };
  try {
    await transport.listenForProbes();
    opened.push(transport);
    const ready = () => readiness.check();
    const operations = await startOperationsServer({ host: config.host, port: config.metricsPort, ready });
    opened.push(operations);
    const app = await NestFactory.createMicroservice(rootModule(stages, config, logger, store), {
      strategy: transport,
      logger: nestLogger(logger),
      abortOnError: false,
    });
    // Drains the transport, then runs the modules' destroy hooks.
    opened.push(app);
    // Errors become status in the call runner, which also sees those of streams.
    app.useGlobalFilters({ catch: (thrown: unknown) => throwError(() => thrown) });
    await app.listen();
    await readiness.start(app);
    const ports = { port: transport.port, metricsPort: operations.port, probePort: transport.probePort };
    logger.info({ host: config.host, ...ports, services: transport.serviceNames }, 'listening');
    let closed: Promise<void> | undefined;
    return {
      ...ports,
      app,
      close() {
        if (closed) return closed;
        readiness.stop();
        for (const stage of stages) stage.stopping?.(app);
        closed = closeAll();
        return closed;
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Keeps each service's health in step with what it depends on. */
class Readiness {
  private app: INestApplicationContext | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly store: ObjectStore,
    private readonly transport: GrpcTransport,
  ) {}

  async start(app: INestApplicationContext): Promise<void> {
    this.app = app;
    const refresh = async () => {
      await this.check().catch(() => undefined);
      if (this.app) this.timer = setTimeout(refresh, READINESS_PERIOD_MS).unref();
    };
    await refresh();
  }

  stop(): void {
    this.app = undefined;
    clearTimeout(this.timer);
  }

  /** @throws the first reason for which this process cannot serve. */
  async check(): Promise<void> {
    const app = this.app;
    if (!app) throw new MedformerError('UNAVAILABLE', 'starting or stopping');
    const storeAnswers = this.store.ping();
    const checks = this.stages.map(async (stage) => {
      await storeAnswers;
      await stage.ready?.(app);
    });
    const outcomes = await Promise.allSettled(checks);
    if (this.app !== app) throw new MedformerError('UNAVAILABLE', 'stopping');
    outcomes.forEach(({ status }, index) => {
      for (const definition of this.stages[index]!.definitions) {
        this.transport.setServing(serviceNameOf(definition), status === 'fulfilled');
      }
    });
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    this.transport.setServing('', failed === undefined);
    if (failed) throw failed.reason;
  }
}

function rootModule(
  stages: readonly Stage[],
  config: BaseConfig,
  logger: Logger,
  store: ObjectStore,
): DynamicModule {
  class PlatformModule {}
  class RootModule {}
  const platform: DynamicModule = {
    module: PlatformModule,
    global: true,
    providers: [
      { provide: LOGGER, useValue: logger },
      { provide: OBJECT_STORE, useValue: store },
    ],
    exports: [LOGGER, OBJECT_STORE],
  };
  return { module: RootModule, imports: [platform, ...stages.map((stage) => stage.module(config as never))] };
}

/** Nest's own lines (modules initialised and the like) are details; its warnings and errors are not. */
function nestLogger(logger: Logger): LoggerService {
  return {
    log: (message) => logger.debug(String(message)),
    debug: (message) => logger.debug(String(message)),
    verbose: (message) => logger.trace(String(message)),
    warn: (message) => logger.warn(String(message)),
    error: (message, stack) => logger.error({ stack }, String(message)),
    fatal: (message) => logger.fatal(String(message)),
  };
}
