import { cpus } from 'node:os';
import type { Runtime } from '@medformer/schema';
import type { BackendInfo } from '@medformer/tensorflow';

/** What this process, one of so many, computes steps with. */
export function runtimeOf({ gpu, threads, tensorflowVersion }: BackendInfo, workers: number): Runtime {
  return {
    tensorflow: tensorflowVersion ?? 'none',
    threads,
    processor: gpu ? 'gpu' : (cpus()[0]?.model.trim() ?? process.arch),
    node: process.versions.node,
    workers,
  };
}

/** Why a run that goes on will not be to the last bit the run unbroken, or undefined where it will. */
export function runtimeDifference(before: Runtime, now: Runtime): string | undefined {
  const differences = (Object.keys(now) as (keyof Runtime)[]).flatMap((field) =>
    before[field] === now[field] ? [] : [`${field} ${now[field]} after ${before[field]}`],
  );
  if (differences.length === 0) return undefined;
  return `goes on with ${differences.join(', ')}: its losses will differ from an unbroken run's in their last digits`;
}
