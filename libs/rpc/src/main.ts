import { toMedformerError } from '@medformer/schema';
import { createLogger } from '@medformer/telemetry';
import type { z } from 'zod';
import { type BaseConfig, baseConfig, configOf } from './base-config.js';
import { type ConfigSchema, describeConfig, loadConfig, printConfig } from './config-source.js';
import { runService } from './run-service.js';
import type { Stage } from './stage.js';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/**
 * The whole of a service's main file: settings from file, environment and flags, then serve until SIGTERM, SIGINT or,
 * under a parent with an IPC channel, until that parent is gone; then drain. Such a parent is sent
 * `{ type: 'listening', port, metricsPort, probePort }`. Exit codes: 0 drained, 1 failure,
 * 2 wrong settings, 130 second interrupt.
 */
export async function serveMain(name: string, stages: readonly Stage[]): Promise<void> {
  // `send` stays after the parent is gone, which may be before this line is reached; `connected` does not.
  const underParent = process.send !== undefined;
  const schema = configSchemaOf(stages);
  let config: BaseConfig;
  try {
    const loaded = loadConfig(schema, { argv: process.argv.slice(2), env: process.env });
    if (loaded.wants.help) {
      return void process.stdout.write(`${usage(name, schema)}\n`);
    }
    if (loaded.wants.printConfig) return void process.stdout.write(printConfig(schema, loaded));
    config = loaded.config as unknown as BaseConfig;
  } catch (error) {
    process.stderr.write(`${name}: ${toMedformerError(error).message}\n`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const logger = createLogger(name, { level: config.logLevel });
  process.on('uncaughtException', (err) => {
    logger.fatal({ err }, 'a defect ended the process');
    process.exit(EXIT_FAILURE);
  });
  try {
    const service = await runService(name, stages, config, { logger });
    let stopping = false;
    const stop = async (why: string) => {
      if (stopping) return;
      stopping = true;
      logger.info({ why }, 'stopping');
      await service.close();
      logger.info('stopped');
      process.exit(0);
    };
    process.on('SIGTERM', () => void stop('SIGTERM'));
    process.on('SIGINT', () => (stopping ? process.exit(EXIT_INTERRUPTED) : void stop('SIGINT')));
    process.once('disconnect', () => void stop('the parent process is gone'));
    // A parent that let the ports be chosen hears of them only from here: a port it tried may be another's by now.
    const { port, metricsPort, probePort } = service;
    const listening = { type: 'listening', port, metricsPort, probePort };
    if (underParent) process.send?.(listening, undefined, undefined, () => undefined);
    // It may have gone while the service started, before anyone listened for that.
    if (underParent && !process.connected) await stop('the parent process is gone');
  } catch (err) {
    logger.fatal({ err }, `cannot start: ${toMedformerError(err).message}`);
    process.exit(EXIT_FAILURE);
  }
}

/** BaseConfig and the settings of all stages; a stage alone has its own default port. */
export function configSchemaOf(stages: readonly Stage[]): ConfigSchema {
  const shape = Object.assign({}, ...stages.map((stage) => stage.config)) as z.ZodRawShape;
  const [only, ...others] = stages;
  if (!only || others.length > 0) return configOf(shape);
  const port = baseConfig.shape.port
    .unwrap()
    .default(only.defaultPort)
    .describe(baseConfig.shape.port.description!);
  return configOf({ ...shape, port });
}

function usage(name: string, schema: ConfigSchema): string {
  return [
    `Usage: ${name} [flags]`,
    '',
    'Each setting is a flag, an environment variable, or a key of the YAML file given by --config.',
    describeConfig(schema),
    '  --config FILE     read settings from FILE (MEDFORMER_CONFIG)',
    '  --print-config    print the effective settings and where each comes from',
  ].join('\n');
}
