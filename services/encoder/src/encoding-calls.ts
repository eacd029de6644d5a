import type { ObjectStoreConfig } from '@medformer/object-store';
import type { ErrorCode } from '@medformer/schema';

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
  /** Spatial shapes that training saw: images of others are resampled to the nearest of them. */
  shapes: number[][];
}

/** A decoded image: values in [0, 1] as floats or over the whole range of their integers, and the names of its codes. */
export interface CodedImage {
  /** `[...spatial, channels]` */
  shape: number[];
  pixels: Uint8Array | Uint16Array | Float32Array;
  modality: string;
  bodyPart: string;
}

/** Images to be computed as a batch `[size, ...shape]`; one of another shape is resampled to it by itself. */
export interface EncodingBatch {
  images: CodedImage[];
  /** `[...spatial, channels]`; all have these channels. */
  shape: number[];
  size: number;
}

/** One image's answer. */
export type Encoding = { notes: string[] } & (
  | { embedding: Float32Array }
  | { failure: { code: ErrorCode; message: string } }
);

export interface EncodedBatch {
  /** In the order of the batch. */
  encodings: Encoding[];
  /** Converting the pixels; the pass itself; handing out the embeddings. */
  inputMs: number;
  inferMs: number;
  outputMs: number;
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

/** A checkpoint and where it is: what an encoding process needs to load it, also after it was started again. */
export interface ModelSource {
  store: ObjectStoreConfig;
  checkpoint: string;
  threads?: number;
  /** Sizes of batch and shapes of image that are recorded before the model is ready. */
  warmUp: { sizes: number[]; shapes: number[][] };
}

/** What the encoding process answers. */
export type EncodingCalls = {
  load: { input: ModelSource; output: ModelDescription };
  encode: { input: { model: ModelSource; batch: EncodingBatch }; output: EncodedBatch };
  attend: { input: { model: ModelSource; image: CodedImage; layers: string[] }; output: Attention };
};

/** What a decoding process answers. */
export type DecodingCalls = {
  decode: { input: { file: ImageFile; modality: string; maxPixels: number }; output: DecodedFile };
  /** Answers, if the process does. */
  ping: { input: null; output: null };
};

export interface ImageFile {
  name: string;
  content: Uint8Array;
}

/** As `readImageFile` gives it; a body part only where the file names one. */
export interface DecodedFile {
  shape: number[];
  pixels: Uint8Array | Uint16Array;
  modality: string;
  bodyPart?: string;
}
