/** One compressed frame and what the image around it says of its pixels. */
export interface CodedFrame {
  bytes: Uint8Array;
  rows: number;
  columns: number;
  samples: number;
  /** 8, 16 or 32 bits a sample in memory. */
  allocated: number;
}

export type SampleValues = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** A decoded frame: `[rows, columns, samples]`, samples of a pixel together. */
export interface DecodedFrame {
  values: SampleValues;
  /** Precision that the codestream states. */
  bits: number;
  /** Whether the codestream says that its values are signed; `values` then are. */
  signed: boolean;
  /** True where the decoder turned luminance and chrominance into RGB already. */
  rgb: boolean;
}

/** What a codec throws about bytes that it cannot decode; whoever knows the file turns it into a refusal of it. */
export class CodecError extends Error {
  override readonly name = 'CodecError';

  constructor(
    readonly expected: string,
    readonly found: string,
    options?: { cause?: unknown },
  ) {
    super(`expected ${expected}, found ${found}`, options);
  }
}

/** @throws CodecError where the codestream's own size is not the one that the image's attributes give. */
export function checkFrameSize(
  { rows, columns, samples }: CodedFrame,
  found: { rows: number; columns: number; samples: number },
): void {
  if (found.rows === rows && found.columns === columns && found.samples === samples) return;
  throw new CodecError(
    `${rows} x ${columns} pixels of ${samples} samples`,
    `${found.rows} x ${found.columns} of ${found.samples} in the codestream`,
  );
}
