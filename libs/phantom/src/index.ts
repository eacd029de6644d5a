export {
  type CohortSpec,
  checkSpec,
  DEMO_COHORT,
  type GenerationOptions,
  generateCohort,
  type RegionCohortSpec,
} from './cohort.js';
export { GROUP_COHORT, type GroupCohortSpec } from './groups/group-cohort.js';
export { generateGroupPatient } from './groups/group-patient.js';
export { LESIONS, type Lesion } from './lesion.js';
export { MRI_SEQUENCES, type MriSequence } from './modality/mri.js';
export { generatePatient } from './patient.js';
export { type BodyPart, REGIONS } from './region.js';
export { MODALITIES, type Modality, type PhantomScan } from './scan.js';
export { PHANTOM_VERSION, type WriteOptions, type WrittenCohort, writeCohort } from './write-cohort.js';
