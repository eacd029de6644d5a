import { availableParallelism, freemem, totalmem } from 'node:os';
import type { BackendInfo } from '@medformer/tensorflow';
import type { Command } from 'commander';
import { STAGES, type Stage } from '../connection.js';
import type { Context, WithContext } from '../context.js';
import { EXIT_LOCAL_FAILURE } from '../exit-codes.js';
import { describeFailure } from '../failure.js';
import { checkHealth } from '../health.js';
import { facts } from '../terminal.js';

type Backend = BackendInfo & { failure?: string };

export function registerDoctor(program: Command, bind: WithContext): void {
  program
    .command('doctor')
    .description(
      'what this machine computes with, whether the services answer, what is missing and how to mend it',
    )
    .addHelpText('after', '\nExits with 1 when native TensorFlow does not load.')
    .action(
      bind(async (context) => {
        const machine = {
          node: process.version,
          platform: `${process.platform} ${process.arch}`,
          cores: availableParallelism(),
          memoryBytes: totalmem(),
          freeMemoryBytes: freemem(),
        };
        const backend = await examineBackend();
        const services = Object.fromEntries(
          await Promise.all(
            STAGES.map(async (stage) => [stage, await examineService(context, stage)] as const),
          ),
        );
        context.terminal.result({ machine, backend, services }, describe(machine, backend, services));
        if (backend.backend !== 'native') process.exitCode = EXIT_LOCAL_FAILURE;
      }),
    );
}

async function examineBackend(): Promise<Backend> {
  // Loaded here only: every other command starts without TensorFlow.
  const { backendInfo, useBackend } = await import('@medformer/tensorflow');
  try {
    return await useBackend();
  } catch (error) {
    return { ...backendInfo(), failure: describeFailure(error).message };
  }
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

function describe(
  machine: { node: string; platform: string; cores: number; memoryBytes: number; freeMemoryBytes: number },
  backend: Backend,
  services: Record<string, { address: string; health: string }>,
): string {
  const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const mending = backend.missing.map((what, index): [string, string] => [
    'missing',
    `${what}\n           mend it: ${backend.remedies[index] ?? ''}`,
  ]);
  const unreachable = Object.values(services).some(({ health }) => health === 'not reachable');
  return facts([
    ['node', `${machine.node}, ${machine.platform}`],
    ['memory', `${gigabytes(machine.memoryBytes)}, ${gigabytes(machine.freeMemoryBytes)} free`],
    ['backend', backend.backend === 'none' ? 'none' : `${backend.backend}, ${backend.gpu ? 'GPU' : 'CPU'}`],
    ['TensorFlow', backend.tensorflowVersion ?? 'not loaded'],
    ['threads', `${backend.threads} of ${machine.cores} cores`],
    ['binding', backend.bindingPath],
    ...(backend.failure === undefined ? [] : [['failure', backend.failure] as [string, string]]),
    ...mending,
    ...Object.entries(services).map(([stage, { address, health }]): [string, string] => [
      stage,
      `${health} at ${address}`,
    ]),
    ...(unreachable ? [['start', 'make up'] as [string, string]] : []),
  ]);
}
