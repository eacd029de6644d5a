import type { ExportRequest } from '@medformer/export';
import type { ObjectStoreConfig } from '@medformer/object-store';

/** A file of an export, on disk. */
export interface WrittenFile {
  /** Relative to the folder of the export. */
  path: string;
  bytes: number;
  sha256: string;
}

/** What the export process answers. */
export type ExportCalls = {
  export: {
    /** `request` is as the caller wrote it; `folder` is empty and there. */
    input: {
      store: ObjectStoreConfig;
      checkpoint: string;
      request: ExportRequest;
      folder: string;
      threads?: number;
    };
    output: WrittenFile[];
  };
};
