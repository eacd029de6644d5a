import type { BaseConfig } from '@medformer/rpc';
import { z } from 'zod';

/** Settings of trainer beside those every service has; each is also a variable and a flag. */
export const trainerConfig = {
  trainerThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of a training process; default: the cores of the machine'),
  trainerConcurrency: z
    .int()
    .min(1)
    .default(1)
    .describe('runs that train at once in child processes; the others wait: one per device is right'),
  trainerWorkers: z
    .int()
    .min(1)
    .default(1)
    .describe('process: child processes that share a run, unless its spec says how many'),
  trainerBackend: z
    .enum(['process', 'kubernetes'])
    .default('process')
    .describe('where runs train: in child processes, or in jobs of a Kubernetes cluster'),
  trainerJobTemplate: z
    .string()
    .min(1)
    .optional()
    .describe('kubernetes: file with the Job that training jobs are made of'),
  trainerJobWorkers: z
    .int()
    .min(1)
    .optional()
    .describe("kubernetes: pods of a training job; default: the template's"),
  trainerJobGpus: z.int().min(1).optional().describe("kubernetes: GPUs of each pod; default: the template's"),
  namespace: z
    .string()
    .min(1)
    .optional()
    .describe("kubernetes: namespace of the training jobs; default: the template's"),
} satisfies z.ZodRawShape;

export type TrainerConfig = BaseConfig & z.output<z.ZodObject<typeof trainerConfig>>;
