import { backendInfo, encodeSavedModel } from '@medformer/tensorflow';
import { type ExportedFile, jsonFile, SIDECAR } from './files.js';
import type { ExportGraph, Port } from './graph.js';

/** A SavedModel folder with the signature `serving_default`; the sidecar lies where TensorFlow keeps the files of others. */
export function savedModelFiles(graph: ExportGraph, sidecar: unknown): ExportedFile[] {
  const signature = (port: Port) => ({ ...port, ...graph.tensors.get(port.tensor)! });
  const content = encodeSavedModel(
    { nodes: graph.nodes, inputs: graph.inputs.map(signature), outputs: graph.outputs.map(signature) },
    backendInfo().tensorflowVersion ?? '2',
  );
  return [{ path: 'saved_model.pb', content }, jsonFile(`assets.extra/${SIDECAR}`, sidecar)];
}
