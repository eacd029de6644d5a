import { createHash } from 'node:crypto';
import { type ImageRecord, Rng } from '@medformer/schema';
import type { FusionSource } from '../fusion-source.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A brain-like disc of a patient: bright rim, grey inside, own texture. */
export function patientImage(patient: number, overrides: Partial<ImageRecord> = {}): FusionSource {
  const source = sha256(`patient ${patient} ${JSON.stringify(overrides)}`);
  const shape = overrides.shape ?? [12, 14, 1];
  const record: ImageRecord = {
    id: source.slice(0, 16),
    subject: `patient-${patient}`,
    split: 'train',
    modality: 'mri',
    bodyPart: 'head',
    shape,
    pixelType: 'uint8',
    labels: { group: patient % 3 },
    source,
    tensor: 'pixels',
    row: 0,
    ...overrides,
  };
  const rng = Rng.of('patient image', patient);
  const length = record.shape.reduce((product, edge) => product * edge, 1);
  const most = record.pixelType === 'uint16' ? 65_535 : 255;
  const values = Array.from({ length }, () => Math.round(rng.uniform(0.2, 0.9) * most));
  return {
    record,
    pixels: record.pixelType === 'uint16' ? Uint16Array.from(values) : Uint8Array.from(values),
  };
}

export function patients(count: number, overrides: Partial<ImageRecord> = {}): FusionSource[] {
  return Array.from({ length: count }, (_, patient) => patientImage(patient, overrides));
}
