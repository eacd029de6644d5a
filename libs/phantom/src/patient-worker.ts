import { parentPort, workerData } from 'node:worker_threads';
import { generatePatient } from './patient.js';

/** One patient to generate; the answer is the patient's `PhantomScan[]` under the same index. */
export interface PatientTask {
  patient: number;
  volumes: boolean;
}

const { seed } = workerData as { seed: number };

parentPort?.on('message', ({ patient, volumes }: PatientTask) => {
  const scans = generatePatient(seed, patient, { volumes });
  parentPort?.postMessage(
    { patient, scans },
    scans.map((scan) => scan.voxels.buffer as ArrayBuffer),
  );
});
