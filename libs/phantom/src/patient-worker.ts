import { parentPort, workerData } from 'node:worker_threads';
import type { CohortSpec } from './cohort.js';
import { generateGroupPatient } from './groups/group-patient.js';
import { generatePatient } from './patient.js';

const cohort = workerData as CohortSpec;

/** One patient's number comes in, its `PhantomScan[]` go out under the same number. */
parentPort?.on('message', (patient: number) => {
  const scans = scansOf(patient);
  parentPort?.postMessage(
    { patient, scans },
    scans.map((scan) => scan.voxels.buffer as ArrayBuffer),
  );
});

function scansOf(patient: number) {
  if ('groups' in cohort) return generateGroupPatient(cohort, patient);
  const { seed, volumePatients, imageShape, volumeShape } = cohort;
  return generatePatient(seed, patient, { volumes: patient < volumePatients, imageShape, volumeShape });
}
