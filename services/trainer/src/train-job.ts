import { writeFile } from 'node:fs/promises';
import { startComputeProcess } from '@medformer/compute';
import { baseConfig, loadConfig, objectStoreConfig, storeShape } from '@medformer/rpc';
import { ContentHash, MedformerError, toMedformerError } from '@medformer/schema';
import { createLogger, startOperationsServer, startProcessMetrics } from '@medformer/telemetry';
import { z } from 'zod';
import type { ReplicaSeat } from './claimed-training.js';
import { trainerConfig } from './config.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import type { TrainingCalls, TrainingEvent } from './training-calls.js';
import { TrainingLog } from './training-log.js';
import { observeTraining } from './training-metrics.js';

/** Settings of the process that trains one run: each is also a variable and a flag. */
const { host, metricsPort, logLevel } = baseConfig.shape;
const schema = z.object({
  ...storeShape,
  host,
  metricsPort,
  logLevel,
  trainerThreads: trainerConfig.trainerThreads,
  run: ContentHash.describe('id of the run, whose spec is in the object store'),
  peers: z
    .string()
    .default('')
    .describe('HOST:PORT of every process of the job, by rank, with commas between; default: it is alone'),
  rank: z
    .int()
    .min(0)
    .optional()
    .describe('which of the peers this process is; default: JOB_COMPLETION_INDEX'),
  peerTimeoutS: z
    .int()
    .min(1)
    .default(600)
    .describe('how long a peer may keep the others waiting before all end, to start again'),
  graceMs: z
    .int()
    .positive()
    .default(110_000)
    .describe('how long the last step and its checkpoint may take when the process is told to stop'),
  terminationLog: z.string().optional().describe('file that gets code and message of a failure as JSON'),
});

/**
 * Trains one run and exits by the table in exit-codes.ts. SIGTERM ends the training after its present step, with a
 * checkpoint. /healthz and /metrics answer meanwhile, for the training has a process of its own.
 */
async function main(): Promise<number> {
  let config: z.output<typeof schema>;
  try {
    config = loadConfig(schema, { argv: process.argv.slice(2), env: process.env }).config;
  } catch (thrown) {
    process.stderr.write(`train-job: ${toMedformerError(thrown).message}\n`);
    return EXIT.badSpec;
  }
  const { run, trainerThreads, graceMs } = config;
  const logger = createLogger('train-job', { level: config.logLevel }).child({ run });
  const stopped = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      logger.info({ signal }, 'stopping after this step');
      stopped.abort(new MedformerError('UNAVAILABLE', `told to stop by ${signal}`));
    });
  startProcessMetrics();
  const { signal } = stopped;
  const ready = async () => signal.throwIfAborted();
  try {
    const operations = await startOperationsServer({ host: config.host, port: config.metricsPort, ready });
    logger.info({ metricsPort: operations.port }, 'listening');
    const training = startComputeProcess<TrainingCalls>(
      new URL('../dist/training-process.js', import.meta.url),
      { name: 'training process', gracePeriodMs: graceMs, niceness: 0 },
    );
    const log = new TrainingLog(logger);
    let method = '';
    const onProgress = (event: TrainingEvent) => {
      if (event.type === 'started') method = event.method;
      observeTraining(method, event);
      log.observe(event);
    };
    try {
      const input = {
        store: objectStoreConfig(config),
        run,
        ...(trainerThreads ? { threads: trainerThreads } : {}),
        ...seatOf(config),
      };
      const done = await training.call('train', input, { signal, onProgress });
      logger.info(done, 'done');
      return EXIT.done;
    } finally {
      await training.stop();
      await operations.close();
    }
  } catch (thrown) {
    const { code, message } = toMedformerError(thrown);
    const exitCode = exitCodeOf(thrown, signal.aborted);
    if (exitCode === EXIT.interrupted) logger.info('interrupted, with a checkpoint of the last step');
    else logger.fatal({ code, exit_code: exitCode, err: thrown }, message);
    if (config.terminationLog)
      await writeFile(config.terminationLog, JSON.stringify({ code, message })).catch((err) =>
        logger.warn({ err }, 'the failure could not be told'),
      );
    return exitCode;
  }
}

/** The place of this process among its peers; none where it is alone. */
function seatOf({ peers, rank, peerTimeoutS }: z.output<typeof schema>): { replica?: ReplicaSeat } {
  const addresses = peers.split(',').filter((address) => address !== '');
  if (addresses.length < 2) return {};
  const index = rank ?? Number(process.env.JOB_COMPLETION_INDEX ?? 0);
  return { replica: { rank: index, addresses, peerTimeoutMs: peerTimeoutS * 1000 } };
}

process.exit(await main());
