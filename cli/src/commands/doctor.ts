import type { Diagnosis } from '@medformer/tensorflow';
import type { Command } from 'commander';
import { STAGES, type Stage } from '../connection.js';
import type { Context, WithContext } from '../context.js';
import { EXIT_LOCAL_FAILURE } from '../exit-codes.js';
import { checkHealth } from '../health.js';
import { facts } from '../terminal.js';

export function registerDoctor(program: Command, bind: WithContext): void {
  program
    .command('doctor')
    .description(
      'what this machine computes with, whether the services answer, what is missing and how to mend it',
    )
    .addHelpText('after', '\nExits with 1 when native TensorFlow does not load.')
    .action(
      bind(async (context) => {
        // Loaded here only: every other command starts without TensorFlow.
        const { diagnose } = await import('@medformer/tensorflow');
        const machine = await diagnose();
        const services = Object.fromEntries(
          await Promise.all(
            STAGES.map(async (stage) => [stage, await examineService(context, stage)] as const),
          ),
        );
        context.terminal.result({ machine, services }, describe(machine, services));
        if (machine.backend !== 'native') process.exitCode = EXIT_LOCAL_FAILURE;
      }),
    );
}

async function examineService(
  { connection }: Context,
  stage: Stage,
): Promise<{ address: string; health: string }> {
  const address = connection.addresses[stage];
  try {
    return { address, health: await checkHealth(connection.clientOf(stage)) };
  } catch {
    return { address, health: 'not reachable' };
  }
}

function describe(machine: Diagnosis, services: Record<string, { address: string; health: string }>): string {
  const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const unreachable = Object.values(services).some(({ health }) => health === 'not reachable');
  const speed =
    machine.matMulGflops === undefined ? '' : `, ${machine.matMulGflops} GFLOP/s in a matrix product`;
  return facts([
    ['node', machine.node],
    ['memory', `${gigabytes(machine.memoryBytes)}, ${gigabytes(machine.freeMemoryBytes)} free`],
    [
      'backend',
      machine.backend === 'none' ? 'none' : `${machine.backend}, ${machine.gpu ? 'GPU' : 'CPU'}${speed}`,
    ],
    ['TensorFlow', machine.tensorflowVersion ?? 'not loaded'],
    ['threads', `${machine.threads} of ${machine.cpus} cores`],
    ['binding', machine.bindingPath],
    ...machine.missing.flatMap((what, index): [string, string][] => [
      ['missing', what],
      ['mend it', machine.remedies[index] ?? ''],
    ]),
    ...Object.entries(services).map(([stage, { address, health }]): [string, string] => [
      stage,
      `${health} at ${address}`,
    ]),
    ...(unreachable ? [['start them', 'make up'] as [string, string]] : []),
  ]);
}
