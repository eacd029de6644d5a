import { CommanderError } from 'commander';
import { EXIT_INTERRUPTED, EXIT_LOCAL_FAILURE, EXIT_OK, EXIT_USAGE, exitCodeOf } from './exit-codes.js';
import { describeFailure } from './failure.js';
import { buildProgram } from './program.js';

/** Runs one command and returns its exit code; failures end as one line on stderr. */
export async function main(argv: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = () => {
    // The second Ctrl-C of an impatient user ends the process without cleaning up.
    if (interrupt.signal.aborted) process.exit(EXIT_INTERRUPTED);
    interrupt.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await buildProgram(interrupt.signal).parseAsync(argv, { from: 'user' });
    return interrupt.signal.aborted
      ? EXIT_INTERRUPTED
      : ((process.exitCode as number | undefined) ?? EXIT_OK);
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    const { code, message } = describeFailure(thrown);
    const line = argv.includes('--json')
      ? JSON.stringify({ error: { code, message } })
      : `medformer: ${code === 'LOCAL' ? '' : `${code}: `}${message}`;
    process.stderr.write(`${line}\n`);
    return code === 'LOCAL' ? EXIT_LOCAL_FAILURE : exitCodeOf(code);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
