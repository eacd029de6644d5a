import { encodeSafetensors } from '@medformer/schema';
import { type ExportedFile, jsonFile, SIDECAR } from './files.js';
import { lineageOf, type SourceCheckpoint } from './lineage.js';

/** The weights as one safetensors file and what they are: part by part, with their lineage. */
export function safetensorsFiles(source: SourceCheckpoint): ExportedFile[] {
  const { record, weights } = source;
  const metadata = { format: 'medformer', run: record.run, step: String(record.step) };
  return [
    { path: 'weights.safetensors', content: encodeSafetensors({ tensors: new Map(weights), metadata }) },
    jsonFile(SIDECAR, { ...lineageOf(source), parts: record.parts, spec: record.spec }),
  ];
}
