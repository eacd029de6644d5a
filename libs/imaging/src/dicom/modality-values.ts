import type { DataSet } from 'dicom-parser';
import type { VoxelValues } from '../voxels.js';
import { wordsOf } from './colour.js';
import { type DicomFile, decimal, items } from './data-set.js';

/** The attributes of one frame: its own functional groups, the shared ones, the data set itself (PS3.3 C.7.6.16). */
export class FrameAttributes {
  private readonly shared: DataSet | undefined;
  private readonly perFrame: DataSet[];

  constructor(private readonly data: DataSet) {
    this.shared = items(data, 'x52009229')[0];
    this.perFrame = items(data, 'x52009230');
  }

  /** True for an enhanced multi-frame object, whose frames have attributes of their own. */
  get enhanced(): boolean {
    return this.shared !== undefined || this.perFrame.length > 0;
  }

  /** The data set in which an attribute of a functional group's macro stands for this frame. */
  group(frame: number, sequence: string): DataSet {
    return items(this.perFrame[frame], sequence)[0] ?? items(this.shared, sequence)[0] ?? this.data;
  }
}

const PIXEL_VALUE_TRANSFORMATION = 'x00289145';

/**
 * Stored values as the modality means them (PS3.3 C.11.1): through the modality LUT, or by slope and intercept, of each
 * frame's own functional groups where it has them. Without either the values stay what they are.
 *
 * @param values all frames; `perFrame` samples each.
 */
export function modalityValues<Values extends VoxelValues>(
  values: Values,
  perFrame: number,
  attributes: FrameAttributes,
  dicom: DicomFile,
): { values: Values | Float32Array; of: (stored: number) => number } {
  const table = items(dicom.data, 'x00283000')[0];
  if (table) {
    const lookUp = modalityTable(table, dicom);
    return { values: Float32Array.from(values, lookUp), of: lookUp };
  }
  const frames = values.length / perFrame;
  const lines = Array.from({ length: frames }, (_, frame) => {
    const group = attributes.group(frame, PIXEL_VALUE_TRANSFORMATION);
    const slope = decimal(group, 'x00281053') ?? 1;
    const intercept = decimal(group, 'x00281052') ?? 0;
    if (!Number.isFinite(slope) || !Number.isFinite(intercept)) {
      const found = `${slope} and ${intercept}`;
      throw dicom.refuse('(0028,1053) RescaleSlope', 'finite slope and intercept', found);
    }
    return { slope, intercept };
  });
  const first = lines[0]!;
  const of = (stored: number) => Math.fround(stored * first.slope + first.intercept);
  if (lines.every(({ slope, intercept }) => slope === 1 && intercept === 0))
    return { values, of: Math.fround };
  const scaled = new Float32Array(values.length);
  for (const [frame, { slope, intercept }] of lines.entries()) {
    for (let index = frame * perFrame; index < (frame + 1) * perFrame; index += 1) {
      scaled[index] = values[index]! * slope + intercept;
    }
  }
  return { values: scaled, of };
}

function modalityTable(table: DataSet, { refuse, syntax, data }: DicomFile): (stored: number) => number {
  const [entries, first, bits] = [0, 1, 2].map((at) => table.uint16('x00283002', at));
  const element = table.elements.x00283006;
  if (!element || entries === undefined || first === undefined || bits === undefined) {
    throw refuse('(0028,3000) ModalityLUTSequence', 'a descriptor and data', 'less');
  }
  const signed = data.uint16('x00280103') === 1;
  const count = entries || 65_536;
  const begin = signed ? (first << 16) >> 16 : first;
  const bytes = (table.byteArray as Uint8Array).slice(
    element.dataOffset,
    element.dataOffset + element.length,
  );
  const words = wordsOf(bytes, count, syntax.bigEndian === true, bits, refuse);
  return (stored) => words[Math.min(count - 1, Math.max(0, stored - begin))]!;
}
