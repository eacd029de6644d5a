import type { CodeKeys } from '@medformer/medformer';
import { badInput, ImageShape, MedformerError, parseRecord, Slug } from '@medformer/schema';
import { z } from 'zod';

/** Values that an exported function may take: it is run once to be written down. */
const MAX_VALUES = 2 ** 26;

/** One function of the model, for one shape of image. */
const FunctionRequest = z.strictObject({
  format: z.enum(['onnx', 'saved-model']),
  /** `[...spatial, channels]`. */
  shape: ImageShape,
  /** A fixed batch size; absent: any. */
  batch: z.number().int().min(1).max(65_536).optional(),
  /** Whose codes the model uses; absent: the shared code. */
  modality: Slug.optional(),
  bodyPart: Slug.optional(),
  /** Also give the logits of this task's head. */
  task: Slug.optional(),
});
export type FunctionRequest = z.infer<typeof FunctionRequest>;

/** What a checkpoint is to be exported as: one function of it, or its weights. */
export const ExportRequest = z.discriminatedUnion('format', [
  FunctionRequest,
  z.strictObject({ format: z.literal('safetensors') }),
]);
export type ExportRequest = z.infer<typeof ExportRequest>;

/** @throws MedformerError INVALID_ARGUMENT naming the field, FAILED_PRECONDITION for a task without a head */
export function parseExportRequest(value: unknown, codes: CodeKeys): ExportRequest {
  const request = parseRecord(ExportRequest, value, 'export');
  if (request.format === 'safetensors') return request;
  const values = request.shape.reduce((product, edge) => product * edge, request.batch ?? 1);
  if (values > MAX_VALUES) throw refused('shape', `at most ${MAX_VALUES} values`, String(values));
  requireKnown('modality', request.modality, codes.modalities);
  requireKnown('bodyPart', request.bodyPart, codes.bodyParts);
  if (request.task !== undefined && !codes.tasks.includes(request.task)) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `export: the checkpoint has no head for task ${request.task}; it has: ${codes.tasks.join(', ') || 'none'}`,
    );
  }
  return request;
}

function requireKnown(field: string, name: string | undefined, known: string[]): void {
  if (name === undefined || known.includes(name)) return;
  throw refused(field, `${[...known, 'none'].join(', ')} (none: the shared code)`, name);
}

const refused = (field: string, expected: string, found: string): MedformerError =>
  badInput({ file: 'export', field, expected, found });
