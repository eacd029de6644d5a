import { Command, InvalidArgumentError } from 'commander';
import { registerAttend } from './commands/attend.js';
import { registerBenchmark } from './commands/benchmark.js';
import { registerDatasets } from './commands/datasets.js';
import { registerDeidentify } from './commands/deidentify.js';
import { registerDemo } from './commands/demo.js';
import { registerDoctor } from './commands/doctor.js';
import { registerEncode } from './commands/encode.js';
import { registerEvaluate } from './commands/evaluate.js';
import { registerEvaluations } from './commands/evaluations.js';
import { registerExport } from './commands/export.js';
import { registerFuse } from './commands/fuse.js';
import { registerGenerator } from './commands/generator.js';
import { registerIngest } from './commands/ingest.js';
import { registerModels } from './commands/models.js';
import { registerPromote } from './commands/promote.js';
import { registerReport } from './commands/report.js';
import { registerReproduce } from './commands/reproduce.js';
import { registerRuns } from './commands/runs.js';
import { registerTrain } from './commands/train.js';
import { registerViews } from './commands/views.js';
import { DEFAULT_ADDRESS } from './connection.js';
import { withContext } from './context.js';
import { EXIT_CODE_HELP } from './exit-codes.js';

export const VERSION = '0.1.0';

/** The whole command line; `signal` aborts on Ctrl-C. */
export function buildProgram(signal: AbortSignal): Command {
  const program = new Command('medformer')
    .description('From raw medical images to a served embedding. A gRPC client of the Medformer services.')
    .version(VERSION)
    .option(
      '--address <host:port>',
      `all services (MEDFORMER_ADDRESS, default ${DEFAULT_ADDRESS}; MEDFORMER_ENCODER_ADDRESS etc. for one)`,
    )
    .option('--tls-ca <file>', 'use TLS, with certificates that these sign (MEDFORMER_TLS_CA_FILE)')
    .option('--tls-cert <file>', 'own certificate, where services ask for one (MEDFORMER_TLS_CERT_FILE)')
    .option('--tls-key <file>', 'key of the own certificate (MEDFORMER_TLS_KEY_FILE)')
    .option(
      '--tls-server-name <name>',
      'name in the certificate of services, if not that of the address (MEDFORMER_TLS_SERVER_NAME)',
    )
    .option('--token-file <file>', 'token that says who calls (MEDFORMER_TOKEN_FILE)')
    .option('--allow-insecure', 'send the token without TLS to another machine (MEDFORMER_ALLOW_INSECURE)')
    .option('--json', 'print the result as one JSON document on stdout')
    .option('--timeout <seconds>', 'deadline of every call (default: 30 s, none for streams)', parseSeconds)
    .addHelpText(
      'after',
      `
Examples:
  $ medformer doctor
  $ medformer ingest phantom --name phantom
  $ medformer train experiments/demo/simclr.yaml --set steps=200
  $ medformer report ls --json | jq -r '.[0].report'
${EXIT_CODE_HELP}`,
    )
    .exitOverride()
    .showHelpAfterError('(--help shows options and examples)');
  const bind = withContext(signal);
  for (const register of [
    registerDemo,
    registerDoctor,
    registerDeidentify,
    registerIngest,
    registerDatasets,
    registerTrain,
    registerRuns,
    registerEvaluate,
    registerEvaluations,
    registerReport,
    registerViews,
    registerFuse,
    registerGenerator,
    registerEncode,
    registerModels,
    registerPromote,
    registerAttend,
    registerExport,
    registerBenchmark,
    registerReproduce,
  ]) {
    register(program, bind);
  }
  return program;
}

function parseSeconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a positive number of seconds');
  return value;
}
