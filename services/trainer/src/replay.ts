import { loadFailedStep } from '@medformer/checkpoint';
import { openObjectStore } from '@medformer/object-store';
import { badInput, labelledTasks, runId } from '@medformer/schema';
import { batchesOf, replayStep } from '@medformer/ssl';
import { useBackend } from '@medformer/tensorflow';
import { initialWeights } from './initial-weights.js';
import type { TrainingCalls } from './training-calls.js';

/** Computes a failed step again. @throws MedformerError INVALID_ARGUMENT where it is another run's */
export async function replay({
  store: storeConfig,
  spec,
  failedStep,
  threads,
}: TrainingCalls['replay']['input']): Promise<TrainingCalls['replay']['output']> {
  const store = await openObjectStore(storeConfig);
  const { record, inputs, weights, optimiser } = await loadFailedStep(store, failedStep);
  if (record.run !== runId(spec)) {
    throw badInput({
      file: 'request',
      field: 'failed_step',
      expected: `a step of run ${runId(spec)}`,
      found: `one of run ${record.run}`,
    });
  }
  const isLearnt = (task: string) => labelledTasks(spec.method).some((wanted) => wanted.task === task);
  await useBackend(threads ? { threads } : {});
  const { step, codes, heads, shapes, parts } = record;
  const own = { ...codes, heads: heads.filter(({ task }) => isLearnt(task)) };
  const { initial } = await initialWeights(store, spec, own);
  const examined = replayStep({
    spec,
    codes,
    heads,
    shapes,
    step,
    state: { weights, optimiser },
    parts: batchesOf(parts, inputs),
    ...(initial ? { initial } : {}),
  });
  return {
    step,
    images: parts.flatMap(({ images }) => images),
    run: { loss: Number(record.loss), gradientNorm: Number(record.gradientNorm) },
    examined,
    parameters: weights.size,
  };
}
