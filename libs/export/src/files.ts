/** One file of an export. */
export interface ExportedFile {
  /** Relative to the export's folder; its parts joined by `/`. */
  path: string;
  content: Uint8Array;
}

/** The name of the JSON sidecar. */
export const SIDECAR = 'medformer.json';

export function jsonFile(path: string, value: unknown): ExportedFile {
  return { path, content: Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`) };
}
