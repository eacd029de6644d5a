import type { ObjectStoreConfig } from '@medformer/object-store';
import type {
  FusionQualitySpec,
  FusionSpec,
  GeneratorEntry,
  GeneratorSpec,
  ImageRecord,
} from '@medformer/schema';

/** Which data, fused how. */
export interface FusionRequest {
  store: ObjectStoreConfig;
  /** Address of the manifest. */
  dataset: string;
  spec: FusionSpec;
  threads?: number;
}

/** One fusion as the process hands it over. */
export interface MadeFusion {
  record: Omit<ImageRecord, 'tensor' | 'row'>;
  pixels: Uint8Array | Uint16Array;
  /** Asked for by `withSources`. */
  parts?: {
    /** [sources, ...spatial]. */
    weights: Float32Array;
    /** [...shape] each. */
    sources: Float32Array[];
    /** Before the generator repaired it; absent of a raw fusion. */
    raw?: Float32Array;
  };
}

export interface FuseProgress {
  fusions: number;
  of: number;
}

export interface MeasureProgress {
  /** `fusing` or `embedding`. */
  stage: string;
  done: number;
  total: number;
}

export interface GeneratorProgress extends GeneratorEntry {
  steps: number;
  stepMs: number;
  /** Address of the state stored at this step, if one was. */
  generator?: string;
}

/** What the fusion process answers. */
export type FusionCalls = {
  /** Fusions number `first` to `first + count - 1`, or one of the images named. */
  fuse: {
    input: FusionRequest & { first: number; count: number; imageIds: string[]; withSources: boolean };
    output: MadeFusion[];
  };
  /** Writes fusions number 0 to `count - 1` as a data set. */
  fuseDataset: {
    input: FusionRequest & { name: string; count: number; codeVersion: string };
    output: { dataset: string; images: number; created: boolean };
    progress: FuseProgress;
  };
  /** Makes or finds the record; the output is its address. */
  measureFusions: {
    input: { store: ObjectStoreConfig; spec: FusionQualitySpec; codeVersion: string; threads?: number };
    output: { quality: string };
    progress: MeasureProgress;
  };
};

/** What the generator process answers. */
export type GeneratorCalls = {
  /** Trains to the last step, from where the same training was left. */
  trainGenerator: {
    input: {
      store: ObjectStoreConfig;
      dataset: string;
      spec: GeneratorSpec;
      codeVersion: string;
      threads?: number;
    };
    output: { generator: string };
    progress: GeneratorProgress;
  };
};
