import { parentPort, workerData } from 'node:worker_threads';
import { generatePatient } from './patient.js';
import type { ScanShapes } from './scan.js';

/** One patient to generate; the answer is the patient's `PhantomScan[]` under the same index. */
export interface PatientTask {
  patient: number;
  volumes: boolean;
}

/** What all patients of a cohort share. */
export interface WorkerCohort extends ScanShapes {
  seed: number;
}

const { seed, ...shapes } = workerData as WorkerCohort;

parentPort?.on('message', ({ patient, volumes }: PatientTask) => {
  const scans = generatePatient(seed, patient, { volumes, ...shapes });
  parentPort?.postMessage(
    { patient, scans },
    scans.map((scan) => scan.voxels.buffer as ArrayBuffer),
  );
});
