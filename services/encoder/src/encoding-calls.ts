import type { ObjectStoreConfig } from '@medformer/object-store';

/** What a loaded model says of itself. */
export interface ModelDescription {
  checkpoint: string;
  run: string;
  dataset: string;
  codeVersion: string;
  method: string;
  step: number;
  width: number;
  parameters: number;
  modalities: string[];
  bodyParts: string[];
}

/** An image as a caller sends it: decoded pixels, or a file that the encoding process decodes. */
export type EncodingImage =
  | { kind: 'pixels'; shape: number[]; pixels: Uint8Array | Uint16Array | Float32Array }
  | { kind: 'file'; name: string; content: Uint8Array };

export interface Encoding {
  /** [width] */
  embedding: Float32Array;
  notes: string[];
  decodeMs: number;
  inferMs: number;
}

/** A checkpoint and where it is: what an encoding process needs to load it, also after it was started again. */
export interface ModelSource {
  store: ObjectStoreConfig;
  checkpoint: string;
  threads?: number;
}

/** What the encoding process answers. */
export type EncodingCalls = {
  load: { input: ModelSource; output: ModelDescription };
  encode: {
    input: { model: ModelSource; image: EncodingImage; modality: string; bodyPart: string };
    output: Encoding;
  };
};
