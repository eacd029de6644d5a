/** Words that may stay in a description: what is shown, how it was taken, of what kind it is. No other word does. */
const WORDS = new Set(
  `abdomen abdominal adc adrenal angio angiography ankle anterior aorta aortic ap apex arm arterial arteries artery
  asl attenuated attenuation average avg axial axillary ax b0 b1000 b50 b500 b800 base biliary bilateral biopsy bladder
  body bold bone bones bony bowel brain breast breath bronchial bronchus bw calcium cardiac carotid cc cerebral cervical
  chest cine ciss clavicle coccyx colon combined contrast control cor coronal coronary cranial cranium cranio craniocaudal
  cspine ct cta ctac cube cys deep delayed derived diastole diffusion dixon dose dual dwi dynamic early echo echoes elbow
  enhanced epi erect esophagus expiration extremity fa face facial fast fat fatsat femur fiesta film filtered finger
  first flair flash fluid fmri foot forearm frontal fse fov full fused gad gado gadolinium gastric gradient gre
  haste hand head heart hepatic hip hips hrct humerus hypopharynx inspiration inversion ir isotropic iv joint kidney
  kidneys knee ktrans l larynx lat lateral late left leg legs liver localiser localizer low lower lspine lumbar lumen lung
  lungs lymph map maps mammogram mammography mandible map marrow mass maxilla maxillary maximum mediastinum medial
  median mip minimum minip mlo mpr mprage mr mra mri mrv mult multi musculoskeletal myelo nasal native neck neonatal
  neuro nm no node noncontrast normal nose oblique open optic oral orbit orbits original osseous ovary pa palate pancreas
  parathyroid parenchyma parotid patella patellar pd pdfs pelvic pelvis perfusion pet phase phalanx planar plain plane
  portal post posterior pre prone prostate proton pulmonary qsm quiet r radius rapid recon reconstruction reformat
  rectum renal rest resting rib ribs right sacrum sag sagittal saturation scan scaphoid scapula scout screening se seg
  sella sequence series shoulder shoulders sinus sinuses single skull slab slice slices small soft space spect spgr
  spin spinal spine spleen stack standard standing sternum stir stomach stress structural subtraction sub supine survey
  susceptibility suv swan swi systole t1 t1w t2 t2w t2star tfe thick thigh thin thoracic thorax throat thumb thyroid
  tibia time tirm tissue toe tof tomography topogram total tra trachea transverse trace tse tspine turbo ulna ultrasound
  unenhanced upper ureter urinary us uterus vascular vein veins venous ventricle ventricles vertebra vertebrae vessel
  vessels vibe view views volume w water weighted whole wholebody window with without wrist x xr xray 2d 3d 4d mm`.split(
    /\s+/,
  ),
);
const MAX_WORDS = 32;

/**
 * A description cut down to words of imaging (a closed list), in lower case; names, numbers, dates and all else go, and
 * so do words that stand in `identifying`, in lower case, of the same data set.
 */
export function cleanDescription(text: string, identifying: ReadonlySet<string>): string {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words
    .filter((word) => WORDS.has(word) && !identifying.has(word))
    .slice(0, MAX_WORDS)
    .join(' ');
}

/** True for a word that a description may keep. */
export function isImagingWord(word: string): boolean {
  return WORDS.has(word);
}

/** Words of identifying values in lower case, of 3 characters or more, for comparison with values that stay. */
export function wordsOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => word.length >= 3);
}
