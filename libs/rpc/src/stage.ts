import type { DynamicModule, INestApplicationContext, Type } from '@nestjs/common';
import type { z } from 'zod';
import type { BaseConfig } from './base-config.js';

/** One of the platform's services, as runService takes it: alone in a process or beside others. */
export interface Stage<Shape extends z.ZodRawShape = z.ZodRawShape> {
  /** e.g. `ingestion`; the name in logs. */
  name: string;
  /** Port of the service when it runs alone; all of them can run on one machine. */
  defaultPort: number;
  /** ts-proto service definitions, e.g. `[IngestionServiceService]`. */
  definitions: readonly object[];
  /** Settings beside BaseConfig's. Stages share one flat name space: equal keys must mean the same. */
  config: Shape;
  /** The Nest module with the controllers and providers; it can inject LOGGER and OBJECT_STORE. */
  module(config: BaseConfig & z.output<z.ZodObject<Shape>>): DynamicModule | Type;
  /** Throws while the stage cannot serve; asked again and again. The object store is checked for every stage already. */
  ready?(app: INestApplicationContext): Promise<void>;
  /** Told when the process begins to stop, before calls under way may finish: ends work that they would wait for. */
  stopping?(app: INestApplicationContext): void;
}

/** Gives a stage's module the types of its own settings. */
export function defineStage<Shape extends z.ZodRawShape>(stage: Stage<Shape>): Stage {
  return stage as unknown as Stage;
}

/** Injection token of the process's Logger (@medformer/telemetry). */
export const LOGGER = Symbol('LOGGER');
/** Injection token of the ObjectStore (@medformer/object-store). */
export const OBJECT_STORE = Symbol('OBJECT_STORE');
