import type { SlicePlane } from '../geometry/stack-slices.js';
import { type DicomFile, items, readDicom } from './data-set.js';
import { planeOf } from './decode-dicom.js';
import { bodyPartOf, modalityOf } from './modality.js';
import { FrameAttributes } from './modality-values.js';
import { PIXEL_ELEMENTS } from './pixel-module.js';

/** What must be known of a file before the images are read. Only `modality` and `bodyPart` may leave it. */
export interface DicomIdentity {
  modality: string;
  bodyPart: string | undefined;
  /** PatientID, which tells patients apart: to be hashed with a key and never stored; undefined when empty. */
  patientId: string | undefined;
  /** Of a single slice that may be part of a volume. */
  slice: DicomSlice | undefined;
}

export interface DicomSlice extends SlicePlane {
  /** Equal for slices that make one volume: series, echo, time, kind of image. Never stored. */
  stack: string;
  rows: number;
  columns: number;
}

const MEDIA_STORAGE_DIRECTORY = '1.2.840.10008.1.3.10';

/** @throws MedformerError INVALID_ARGUMENT */
export function readDicomIdentity(bytes: Uint8Array, file: string): DicomIdentity {
  return readDicom(bytes, file, (dicom) => {
    refuseWithoutPixels(dicom);
    return identityOf(dicom);
  });
}

/** Directories and archives hold objects whose pixels were taken out; no split may count on them. */
function refuseWithoutPixels({ data, refuse }: DicomFile): void {
  if (Object.values(PIXEL_ELEMENTS).some((tag) => data.elements[tag] !== undefined)) return;
  throw refuse('(7FE0,0010) PixelData', 'an image', 'an object without pixels');
}

function identityOf(dicom: DicomFile): DicomIdentity {
  return {
    modality: modalityOf(dicom.data, dicom.refuse),
    bodyPart: bodyPartOf(dicom.data),
    patientId: dicom.data.string('x00100020')?.trim() || undefined,
    slice: sliceOf(dicom),
  };
}

/** A localizer shows where slices lie and is none of them: it stays an image of its own. */
function sliceOf({ data }: DicomFile): DicomSlice | undefined {
  const series = data.string('x0020000e')?.trim();
  const kind = data.string('x00080008')?.trim() ?? '';
  const frames = Number(data.string('x00280008') || 1);
  if (!series || frames !== 1 || kind.split('\\').includes('LOCALIZER')) return undefined;
  const plane = planeOf(new FrameAttributes(data), 0);
  if (!plane) return undefined;
  const parts = ['x00180086', 'x00200100', 'x00189087'].map((tag) => data.string(tag)?.trim() ?? '');
  return {
    ...plane,
    stack: [series, kind, ...parts].join('\n'),
    rows: data.uint16('x00280010') ?? 0,
    columns: data.uint16('x00280011') ?? 0,
  };
}

/** A DICOMDIR (PS3.3 F): what the files beside it are. */
export interface DicomDirectory {
  /** Paths of images, relative to the directory's folder, with forward slashes. */
  images: string[];
  /** Paths of reports, plans, presentation states and the like. */
  others: string[];
}

/** @returns undefined for a file that is no DICOMDIR. */
export function readDicomDirectory(bytes: Uint8Array, file: string): DicomDirectory | undefined {
  return readDicom(bytes, file, ({ data }) => {
    if (data.string('x00020002')?.trim() !== MEDIA_STORAGE_DIRECTORY) return undefined;
    const directory: DicomDirectory = { images: [], others: [] };
    for (const record of items(data, 'x00041220')) {
      const path = record.string('x00041500')?.trim().split('\\').join('/');
      if (!path) continue;
      (record.string('x00041430')?.trim() === 'IMAGE' ? directory.images : directory.others).push(path);
    }
    return directory;
  });
}
