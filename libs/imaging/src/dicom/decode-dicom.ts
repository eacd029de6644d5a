import type { DataSet } from 'dicom-parser';
import { CodecError } from '../codecs/coded-frame.js';
import { decodeFrame } from '../codecs/decode-frame.js';
import { toRas } from '../geometry/orient.js';
import { type PlacedSlice, type SlicePlane, stackSlices } from '../geometry/stack-slices.js';
import { refuseNonFinite, type Voxels, type VoxelValues } from '../voxels.js';
import { applyPalette, ybrToRgb } from './colour.js';
import { type DicomFile, decimal, decimals, readDicom } from './data-set.js';
import { encapsulatedFrames } from './encapsulated.js';
import { bodyPartOf, modalityOf, refuseBurnedInText } from './modality.js';
import { FrameAttributes, modalityValues } from './modality-values.js';
import { readFloatPixels, readNativePixels } from './native-pixels.js';
import { type PixelModule, readPixelModule } from './pixel-module.js';
import { allocateSamples, placeFrame } from './sample-values.js';
import { suvFactor } from './suv.js';

/** A DICOM image with the few attributes that may leave it. */
export interface DicomImage extends Voxels {
  modality: string;
  /** Absent when the file does not say, or says something unlisted. */
  bodyPart?: string;
  /** Where a single slice lies, for it to take its place in a volume. */
  plane?: SlicePlane;
  /** What to multiply PET values by to get standardised uptake values; absent where the file does not tell. */
  suvFactor?: number;
}

/** Pixels as DICOM's attributes describe them, before orientation. */
export interface DicomPixels {
  /** `[frames, rows, columns, samples]`; 3 samples are RGB. */
  shape: [number, number, number, number];
  values: VoxelValues;
  /** Lowest and highest padding value, in the scale of `values`: no tissue, whatever the number. */
  padding?: [number, number];
  /** Centre and width of the windows that the file proposes, in the scale of `values`. */
  windows: { centre: number; width: number }[];
}

/**
 * Decodes an image for a dataset: `decodeDicomPixels` of a modality that shows patients, without text burned into the
 * pixels. Frames with positions of their own become a volume towards right, anterior, superior; others stay in the
 * order in which they stand.
 *
 * @param examined true for a file whose pixels the de-identification passed by its own profile
 * @returns `[rows, columns, channels]` or `[frames, rows, columns, channels]`.
 * @throws MedformerError INVALID_ARGUMENT naming the attribute, or the transfer syntax that is not read.
 */
export async function decodeDicom(bytes: Uint8Array, file: string, examined = false): Promise<DicomImage> {
  return readDicom(bytes, file, async (dicom) => {
    const { data, refuse } = dicom;
    const modality = modalityOf(data, refuse);
    if (!examined) refuseBurnedInText(data, refuse);
    const bodyPart = bodyPartOf(data);
    const pixels = await decodeDicomPixels(dicom);
    const factor = modality === 'pet' ? suvFactor(data) : undefined;
    return {
      ...placed(pixels, dicom, file),
      ...(pixels.padding ? { padding: pixels.padding } : {}),
      modality,
      ...(bodyPart ? { bodyPart } : {}),
      ...(factor === undefined ? {} : { suvFactor: factor }),
    };
  });
}

/**
 * The pixels of any image object: decompressed, masked to the stored bits, sign-extended, colours as RGB (palettes
 * applied, YBR converted), MONOCHROME1 inverted, then mapped to the modality's values (PS3.3 C.7.6.3, C.11.1).
 *
 * Integers stay integers without a rescale. @throws MedformerError INVALID_ARGUMENT naming the attribute.
 */
export async function decodeDicomPixels(dicom: DicomFile): Promise<DicomPixels> {
  const pixels = readPixelModule(dicom);
  const { frames, rows, columns } = pixels;
  const stored = await storedValues(dicom, pixels);
  const samples = stored.length / (frames * rows * columns);
  const shape: DicomPixels['shape'] = [frames, rows, columns, samples];
  const attributes = new FrameAttributes(dicom.data);
  const windows = windowsOf(attributes.group(0, 'x00289132'));
  if (samples > 1) return { shape, values: stored, windows };
  const mirror = pixels.photometric === 'MONOCHROME1' && !pixels.floats ? invert(stored, pixels) : identity;
  const { values, of } = modalityValues(stored, rows * columns, attributes, dicom);
  refuseNonFinite({ shape, values }, dicom.file);
  const padding = paddingOf(dicom.data, pixels)?.map((value) => of(mirror(value)));
  return {
    shape,
    values,
    windows,
    ...(padding ? { padding: [Math.min(...padding), Math.max(...padding)] as [number, number] } : {}),
  };
}

async function storedValues(dicom: DicomFile, pixels: PixelModule): Promise<VoxelValues> {
  if (pixels.floats) return readFloatPixels(dicom, pixels);
  const { codec } = dicom.syntax;
  const values = codec ? await decompressed(dicom, pixels) : readNativePixels(dicom, pixels);
  if (pixels.photometric === 'PALETTE COLOR') return applyPalette(values, dicom, pixels);
  if (!codec && pixels.photometric.startsWith('YBR')) ybrToRgb(values, 0, values.length, pixels.stored);
  return values as VoxelValues;
}

async function decompressed(dicom: DicomFile, pixels: PixelModule) {
  const { rows, columns, frames, samples, photometric } = pixels;
  if (pixels.allocated === 1) throw dicom.refuse('(0028,0100) BitsAllocated', '8, 16 or 32', '1, compressed');
  const perFrame = rows * columns * samples;
  const coded = encapsulatedFrames(dicom.data, frames, dicom.refuse);
  const values = allocateSamples(pixels, frames * perFrame);
  for (const [frame, bytes] of coded.entries()) {
    const codedFrame = { bytes, rows, columns, samples, allocated: pixels.allocated };
    const decoded = await decodeFrame(dicom.syntax.codec!, codedFrame, photometric).catch((cause) => {
      if (!(cause instanceof CodecError)) throw cause;
      const field = `(7FE0,0010) PixelData, ${dicom.syntax.name}, frame ${frame + 1}`;
      throw dicom.refuse(field, cause.expected, cause.found, cause);
    });
    const begin = frame * perFrame;
    placeFrame(decoded, values, begin, pixels);
    const convert = samples === 3 && photometric.startsWith('YBR') && !decoded.rgb;
    if (convert) ybrToRgb(values, begin, begin + perFrame, pixels.stored);
  }
  return values;
}

/** In place; signed values mirror about -1/2, unsigned ones about the middle of their range. */
function invert(values: VoxelValues, { stored, signed }: PixelModule): (value: number) => number {
  const sum = signed ? -1 : 2 ** stored - 1;
  for (let index = 0; index < values.length; index += 1) values[index] = sum - values[index]!;
  return (value) => sum - value;
}

function identity(value: number): number {
  return value;
}

/** PixelPaddingValue and PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2), as stored. */
function paddingOf(data: DataSet, { signed }: PixelModule): [number, number] | undefined {
  const read = (tag: string) => (signed ? data.int16(tag) : data.uint16(tag));
  const value = data.elements.x00280120 && read('x00280120');
  if (value === undefined) return undefined;
  return [value, (data.elements.x00280121 && read('x00280121')) ?? value];
}

function windowsOf(data: DataSet): DicomPixels['windows'] {
  const centres = data.string('x00281050')?.split('\\') ?? [];
  return centres.flatMap((_, index) => {
    const centre = decimal(data, 'x00281050', index);
    const width = decimal(data, 'x00281051', index);
    return Number.isFinite(centre) && width !== undefined && width > 0 ? [{ centre: centre!, width }] : [];
  });
}

function placed(
  { shape, values }: DicomPixels,
  { data, refuse }: DicomFile,
  file: string,
): Voxels & { plane?: SlicePlane } {
  const [frames, rows, columns, samples] = shape;
  const attributes = new FrameAttributes(data);
  if (frames === 1) {
    const plane = planeOf(attributes, 0);
    const spacingMm = inPlaneSpacing(attributes);
    return {
      shape: [rows, columns, samples],
      values,
      ...(spacingMm ? { spacingMm } : {}),
      ...(plane ? { plane } : {}),
    };
  }
  const planes = Array.from({ length: frames }, (_, frame) => planeOf(attributes, frame));
  if (attributes.enhanced && planes.every((plane) => plane !== undefined)) {
    const slices = planes.map((plane, frame) => ({ ...plane, name: `frame ${frame + 1}`, rows, columns }));
    return stackedVolume(slices, values, samples, file);
  }
  if (attributes.enhanced && planes.some((plane) => plane !== undefined)) {
    throw refuse('(0020,9113) PlanePositionSequence', 'a position of every frame', 'of some');
  }
  const between = decimal(data, 'x00180088') ?? decimal(data, 'x00180050');
  const inPlane = inPlaneSpacing(attributes);
  const known = inPlane && between !== undefined && between > 0 && Number.isFinite(between);
  return { shape, values, ...(known ? { spacingMm: [between, ...inPlane] } : {}) };
}

/** Slices of one volume, in the order in which `values` holds them, as a volume to right, anterior, superior. */
export function stackedVolume(
  slices: readonly PlacedSlice[],
  values: VoxelValues,
  samples: number,
  series: string,
): Voxels {
  const { order, affine } = stackSlices(slices, series);
  const [{ rows, columns }] = slices as [PlacedSlice];
  const area = rows * columns * samples;
  const inOrder = order.every((slice, index) => slice === index);
  const sorted = inOrder
    ? values
    : new (values.constructor as new (length: number) => VoxelValues)(values.length);
  if (!inOrder) {
    for (const [index, slice] of order.entries()) {
      sorted.set(values.subarray(slice * area, (slice + 1) * area), index * area);
    }
  }
  return toRas(sorted, [columns, rows, slices.length], samples, affine);
}

/** Position, orientation and spacing of a frame; undefined unless the file gives all three. */
export function planeOf(attributes: FrameAttributes, frame: number): SlicePlane | undefined {
  const position = decimals(attributes.group(frame, 'x00209113'), 'x00200032', 3);
  const orientation = decimals(attributes.group(frame, 'x00209116'), 'x00200037', 6);
  const pixelSpacing = decimals(attributes.group(frame, 'x00289110'), 'x00280030', 2);
  if (!position || !orientation || !pixelSpacing) return undefined;
  return pixelSpacing.every((edge) => edge > 0) ? { position, orientation, pixelSpacing } : undefined;
}

function inPlaneSpacing(attributes: FrameAttributes): number[] | undefined {
  const spacing = decimals(attributes.group(0, 'x00289110'), 'x00280030', 2);
  return spacing?.every((edge) => edge > 0) ? spacing : undefined;
}
