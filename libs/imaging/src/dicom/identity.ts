import { readDicom } from './data-set.js';
import { modalityOf } from './modality.js';

/**
 * What must be known of a file before the images are read: its modality, and PatientID, the attribute that tells
 * patients apart, which is to be hashed with a key and never stored; undefined when empty.
 */
export function readDicomIdentity(
  bytes: Uint8Array,
  file: string,
): { modality: string; patientId: string | undefined } {
  return readDicom(bytes, file, ({ data, refuse }) => ({
    modality: modalityOf(data, refuse),
    patientId: data.string('x00100020')?.trim() || undefined,
  }));
}
