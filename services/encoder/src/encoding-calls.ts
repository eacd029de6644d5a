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

/** What an embedding is read from; see the proto's AttendResponse. */
export interface Attention {
  grid: number[];
  /** [patches] */
  heat: Float32Array;
  spatial: number[];
  patch: number;
  maps: AttentionMap[];
  layers: string[];
  image: { shape: number[]; pixels: Uint8Array };
  notes: string[];
}

export interface AttentionMap {
  layer: string;
  /** [heads, queries, keys] */
  shape: number[];
  weights: Float32Array;
}

/** An image and the names of its codes. */
export interface EncodingRequest {
  image: EncodingImage;
  modality: string;
  bodyPart: string;
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
  encode: { input: EncodingRequest & { model: ModelSource }; output: Encoding };
  attend: { input: EncodingRequest & { model: ModelSource; layers: string[] }; output: Attention };
};
