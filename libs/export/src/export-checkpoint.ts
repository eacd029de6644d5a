import { Medformer } from '@medformer/medformer';
import { recordForward, tf } from '@medformer/tensorflow';
import { type ExportRequest, type FunctionRequest, parseExportRequest } from './export-request.js';
import type { ExportedFile } from './files.js';
import { type ExportGraph, named } from './graph.js';
import { lineageOf, type SourceCheckpoint } from './lineage.js';
import { nameWeights } from './name-weights.js';
import { toOnnx } from './onnx-model.js';
import { openBatch } from './open-batch.js';
import { safetensorsFiles } from './safetensors-files.js';
import { savedModelFiles } from './saved-model-files.js';
import { simplify } from './simplify.js';

/** Sizes that an open batch is recorded at; 1 might take other paths through the kernels. */
const BATCHES = [2, 3] as const;

/**
 * The checkpoint's files in another format.
 *
 * `onnx` and `saved-model`: the function `pixels` float32 [batch, ...shape] in [0, 1] to `embedding` [batch, width]
 * and, if a task is named, its `logits` [batch, classes]; standardisation and the codes of modality and body part are
 * part of it. Needs the native backend. `safetensors`: the weights with a sidecar.
 *
 * @throws MedformerError INVALID_ARGUMENT for a shape or a code name that does not fit, FAILED_PRECONDITION for a task
 *   without a head, UNIMPLEMENTED naming an op without conversion, DATA_LOSS for weights that lack a tensor
 */
export function exportCheckpoint(source: SourceCheckpoint, options: ExportRequest): ExportedFile[] {
  const { record, weights } = source;
  const request = parseExportRequest(options, record.codes);
  if (request.format === 'safetensors') return safetensorsFiles(source);
  const model = Medformer.fromCheckpoint(record, weights);
  try {
    const graph = nameWeights(simplify(graphOf(model, request)), weights);
    const { format, ...signature } = request;
    const lineage = { ...lineageOf(source), signature };
    if (format === 'saved-model') return savedModelFiles(graph, lineage);
    return [{ path: 'model.onnx', content: toOnnx(graph, lineage) }];
  } finally {
    model.dispose();
  }
}

/** The model's function for one shape of image, at a fixed batch size or at any. */
function graphOf(model: Medformer, request: FunctionRequest): ExportGraph {
  if (request.batch) return atBatch(model, request, request.batch);
  const [one, other] = BATCHES.map((batch) => ({ batch, graph: atBatch(model, request, batch) }));
  return openBatch(one!, other!);
}

function atBatch(
  model: Medformer,
  { shape, modality, bodyPart, task }: FunctionRequest,
  batch: number,
): ExportGraph {
  const names = {
    ...(modality ? { modality: Array<string>(batch).fill(modality) } : {}),
    ...(bodyPart ? { bodyPart: Array<string>(batch).fill(bodyPart) } : {}),
  };
  const pixels = tf.zeros([batch, ...shape]);
  try {
    const graph = recordForward(
      ([x]) => [model.embed(x!, names), ...(task ? [model.predict(x!, task, names)] : [])],
      [pixels],
    );
    return named(graph, ['pixels'], ['embedding', 'logits']);
  } finally {
    pixels.dispose();
  }
}
