export { decodeImages, type ImageFormat, imageFormatOf, readImageFile } from './decode/decode-image.js';
export { decodeRaster } from './decode/raster.js';
export { type DicomFile, isDicom, readDicom } from './dicom/data-set.js';
export { type DicomImage, type DicomPixels, decodeDicom, decodeDicomPixels } from './dicom/decode-dicom.js';
export { encodeNifti } from './encode-nifti.js';
export { encodePng } from './encode-png.js';
export { decodeNifti } from './nifti/decode-nifti.js';
export { normalisationSteps, normalise, percentiles, replayNormalisation, ruleFor } from './normalise.js';
export { encodeNpy, encodeZip, type NpyPart } from './npz/encode-npz.js';
export type { MedmnistInfo, MedmnistSet, MedmnistSize } from './npz/medmnist-set.js';
export { MEDMNIST_SETS, medmnistSetOf, type NamedMedmnistSet } from './npz/medmnist-sets.js';
export { type NpyArray, readNpyArray } from './npz/npy-array.js';
export { openZip, type ZipArchive, type ZipEntry } from './npz/zip-archive.js';
export type { DecodedItem, DecodeJob } from './source/decode-job.js';
export { type DecodePool, openDecodePool } from './source/decode-pool.js';
export { DrawAgain } from './source/draw-again.js';
export type {
  FileDeidentification,
  ImageSource,
  Refusal,
  SourceFile,
  SourceImage,
  SourceOptions,
} from './source/image-source.js';
export { type LabelRow, type LabelTable, parseLabelTable } from './source/labels-csv.js';
export { openSource, sourceDigest } from './source/open-source.js';
export { isSafeRelativePath } from './source/relative-path.js';
export {
  DEFAULT_TEST_FRACTION,
  DEFAULT_VAL_FRACTION,
  type SplitFractions,
  splitSubjects,
} from './source/split-subjects.js';
export { renderThumbnails, type Thumbnail } from './thumbnails.js';
export { MAX_IMAGE_BYTES, type Voxels, type VoxelValues } from './voxels.js';
