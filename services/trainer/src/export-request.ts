import type { ExportRequest } from '@medformer/export';
import { type ExportCheckpointRequest, ExportFormat } from '@medformer/gen/trainer';
import { badInput } from '@medformer/schema';

const FORMATS: Partial<Record<ExportFormat, ExportRequest['format']>> = {
  [ExportFormat.EXPORT_FORMAT_ONNX]: 'onnx',
  [ExportFormat.EXPORT_FORMAT_SAVED_MODEL]: 'saved-model',
  [ExportFormat.EXPORT_FORMAT_SAFETENSORS]: 'safetensors',
};

/** The request in the export's own terms; what is unset on the wire is absent. The export itself checks it. */
export function exportRequest(request: ExportCheckpointRequest): ExportRequest {
  const format = FORMATS[request.format];
  if (!format) {
    throw badInput({
      file: 'request',
      field: 'format',
      expected: 'onnx, saved-model or safetensors',
      found: ExportFormat[request.format] ?? String(request.format),
    });
  }
  const { shape, batch, modality, bodyPart, task } = request;
  const given = Object.entries({ shape, batch, modality, bodyPart, task }).filter(([, value]) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value),
  );
  return { format, ...Object.fromEntries(given) } as ExportRequest;
}
