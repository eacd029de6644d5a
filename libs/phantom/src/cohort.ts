import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { MedformerError } from '@medformer/schema';
import { checkGroups, type GroupCohortSpec, groupPatients } from './groups/group-cohort.js';
import type { PhantomScan, ScanShapes } from './scan.js';

/** What determines a cohort, to the bit. */
export type CohortSpec = RegionCohortSpec | GroupCohortSpec;

/** Patients of all regions and modalities. */
export interface RegionCohortSpec extends ScanShapes {
  seed: number;
  /** Number of patients; each has one image of each of ten regions. */
  patients: number;
  /** The first so many patients have a volume of each region as well. */
  volumePatients: number;
}

/** The demo's cohort: 2,200 images and 320 volumes. */
export const DEMO_COHORT: RegionCohortSpec = { seed: 7, patients: 220, volumePatients: 32 };

export interface GenerationOptions {
  signal?: AbortSignal | undefined;
  /** Worker threads; by default one per core. */
  threads?: number | undefined;
}

/**
 * Generates a cohort in worker threads and hands over whole patients, in order, one call at a time. What arrives
 * depends only on the specification, not on the number of threads.
 *
 * @throws MedformerError INVALID_ARGUMENT for counts that make no cohort, CANCELLED when the signal aborts, and
 * whatever `onPatient` throws
 */
export async function generateCohort(
  spec: CohortSpec,
  onPatient: (scans: PhantomScan[], patient: number) => void | Promise<void>,
  options: GenerationOptions = {},
): Promise<void> {
  checkSpec(spec);
  const { signal } = options;
  const patients = patientsOf(spec);
  const threads = Math.min(patients, Math.max(1, options.threads ?? availableParallelism()));
  const workers = Array.from({ length: threads }, () => startWorker(spec));
  const pending = new Map<number, Promise<PhantomScan[]>>();
  let asked = 0;
  const ask = (worker: PatientWorker) => {
    if (asked >= patients) return;
    const patient = asked;
    asked += 1;
    pending.set(patient, worker.generate(patient));
  };
  try {
    // Two patients in flight per thread: one being made, one queued, so that no thread waits for the consumer.
    for (const worker of [...workers, ...workers]) ask(worker);
    for (let patient = 0; patient < patients; patient += 1) {
      const scans = await unlessAborted(pending.get(patient)!, signal);
      pending.delete(patient);
      ask(workers[patient % threads]!);
      await onPatient(scans, patient);
    }
  } finally {
    for (const abandoned of pending.values()) abandoned.catch(() => {});
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

export function patientsOf(spec: CohortSpec): number {
  return 'groups' in spec ? groupPatients(spec) : spec.patients;
}

/** Refuses counts that are not whole, not positive, or ask for more volumes than there are patients, and odd shapes. */
export function checkSpec(spec: CohortSpec): void {
  const { imageShape = [], volumeShape = [] } = spec;
  const whole = (n: number, low: number, high: number) => Number.isInteger(n) && n >= low && n <= high;
  if ('groups' in spec) checkGroups(spec);
  else {
    const { seed, patients, volumePatients } = spec;
    if (!Number.isInteger(seed)) refuse('seed', 'an integer', seed);
    if (!whole(patients, 1, 9999)) refuse('patients', '1 to 9999', patients);
    if (!whole(volumePatients, 0, patients)) refuse('volumePatients', `0 to ${patients}`, volumePatients);
  }
  for (const [field, shape, largest] of [
    ['imageShape', imageShape, 1024],
    ['volumeShape', volumeShape, 256],
  ] as const)
    for (const edge of shape) if (!whole(edge, 8, largest)) refuse(field, `8 to ${largest}`, edge);
}

function refuse(field: string, expected: string, found: number): never {
  throw new MedformerError(
    'INVALID_ARGUMENT',
    `phantom cohort: ${field}: expected ${expected}, found ${found}`,
  );
}

interface PatientWorker {
  generate(patient: number): Promise<PhantomScan[]>;
  stop(): Promise<unknown>;
}

function startWorker(cohort: CohortSpec): PatientWorker {
  // By package name, so that the compiled file is found whether this module runs compiled or under a test runner.
  const file = createRequire(import.meta.url).resolve('@medformer/phantom/patient-worker');
  const worker = new Worker(file, { workerData: cohort });
  const waiting = new Map<number, { resolve(scans: PhantomScan[]): void; reject(error: Error): void }>();
  let failure: Error | undefined;
  const fail = (error: Error) => {
    failure = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on('message', ({ patient, scans }: { patient: number; scans: PhantomScan[] }) => {
    waiting.get(patient)?.resolve(scans);
    waiting.delete(patient);
  });
  worker.on('error', fail);
  worker.on('exit', (code) => {
    fail(new MedformerError('INTERNAL', `the phantom generator's thread ended early (exit code ${code})`));
  });
  return {
    generate: (patient) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        waiting.set(patient, { resolve, reject });
        worker.postMessage(patient);
      }),
    stop: () => worker.terminate(),
  };
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new MedformerError('CANCELLED', 'phantom generation was cancelled'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
