export { type CleanFile, deidentifyFile, opaquePath } from './deidentify-file.js';
export { type CleanDicom, deidentifyDicom } from './dicom/deidentify-dicom.js';
export { PixelRegionRule } from './dicom/pixel-region-rule.js';
export { cleanNiftiPair } from './formats/clean-nifti.js';
export { opaqueName, pseudonym } from './keyed.js';
export { DEFAULT_OPTIONS, PROFILE, type Profile, profileOf } from './profile.js';
export { OPTION_NAMES, type OptionName } from './table/attribute-table.js';
export { TABLE_EDITION } from './table/attributes.js';
